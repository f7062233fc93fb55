"""Runs on MicroPython: HOST PORT TIMEOUT_S -> the query's two numbers, or SntpError and its text."""

import sys

import sntp


def main() -> None:
    host, port, timeout_s = sys.argv[1:]
    try:
        print(*sntp.query(host, int(port), int(timeout_s)))
    except sntp.SntpError as error:
        print("SntpError:", error)


main()
