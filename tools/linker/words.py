"""Names that every MicroPython firmware has in its read-only memory: whoever uses one of them pays nothing for it.

Taken from the tables of names in the official images of MicroPython 1.27 for ESP32 and ESP32-C3 and in the unix port.
Names that a firmware lacks are no error, they just take some of its heap. A name that stands here is never given
another one, since MicroPython's own modules may ask for it.
"""

# In all three.
EVERYWHERE = frozenset(
    """
AF_INET AF_INET6 ARRAY AUTO ArithmeticError AssertionError AttributeError BFINT16 BFINT32 BFINT8 BFUINT16 BFUINT32
BFUINT8 BF_LEN BF_POS BIG_ENDIAN BaseException BytesIO CancelledError DeflateIO EACCES EADDRINUSE EAGAIN EALREADY
EBADF ECONNABORTED ECONNREFUSED ECONNRESET EEXIST EHOSTUNREACH EINPROGRESS EINVAL EIO EISDIR ENOBUFS ENODEV ENOENT
ENOMEM ENOTCONN EOFError EOPNOTSUPP EPERM ETIMEDOUT Ellipsis Event Exception FLOAT32 FLOAT64 FileIO FrameBuffer
FrameBuffer1 GS2_HMSB GS4_HMSB GS8 GZIP GeneratorExit INT INT16 INT32 INT64 INT8 IOBase IOQueue IP_ADD_MEMBERSHIP
ImportError IndentationError IndexError KeyError KeyboardInterrupt LITTLE_ENDIAN LONG LONGLONG Lock LockType
LookupError Loop MONO_HLSB MONO_HMSB MONO_VLSB MSG_DONTWAIT MSG_PEEK MVLSB MemoryError NATIVE NameError None
NoneType NotImplemented NotImplementedError OSError OrderedDict OverflowError POLLERR POLLHUP POLLIN POLLOUT
PROTOCOL_TLS_CLIENT PTR RAW RGB565 RingIO RuntimeError SHORT SOCK_DGRAM SOCK_RAW SOCK_STREAM SOL_SOCKET SO_BROADCAST
SO_REUSEADDR SSLContext Server Signal SingletonGenerator StopAsyncIteration StopIteration Stream StreamReader
StreamWriter StringIO SyntaxError SystemExit Task TaskQueue TextIOWrapper ThreadSafeFlag TimeoutError TypeError UINT
UINT16 UINT32 UINT64 UINT8 ULONG ULONGLONG USHORT UnicodeError VOID ValueError VfsFat VfsLfs2 ViperTypeError ZLIB
ZeroDivisionError _ _Remove __abs__ __add__ __aenter__ __aexit__ __aiter__ __all__ __and__ __anext__ __bases__
__bool__ __build_class__ __call__ __class__ __complex__ __contains__ __del__ __delattr__ __delete__ __delitem__
__dict__ __divmod__ __enter__ __eq__ __exit__ __file__ __float__ __floordiv__ __ge__ __get__ __getattr__ __getitem__
__globals__ __gt__ __hash__ __iadd__ __import__ __init__ __int__ __invert__ __isub__ __iter__ __le__ __len__
__lshift__ __lt__ __main__ __matmul__ __mod__ __module__ __mul__ __name__ __ne__ __neg__ __new__ __next__ __or__
__path__ __pos__ __pow__ __qualname__ __radd__ __rand__ __repl_print__ __repr__ __reversed__ __rfloordiv__
__rlshift__ __rmatmul__ __rmod__ __rmul__ __ror__ __rpow__ __rrshift__ __rshift__ __rsub__ __rtruediv__ __rxor__
__set__ __set_name__ __setattr__ __setitem__ __str__ __sub__ __traceback__ __truediv__ __version__ __xor__ _asyncio
_attrs _build _dequeue _enqueue _exc_context _exc_handler _io_queue _machine _mpy _promote_to_task _run _serve
_stop_task _stopper _task_queue _thread a2b_base64 abs abs_tol accept aclose acos acosh acquire add addressof all
allocate_lock any append appendleft args argv array ascii asin asinh asyncio atan atan2 atanh attr aw awrite
awritestr b2a_base64 backlog bin binascii bind blit bool bound_method buf buffer buffering builtins bytearray
bytearray_at bytecode byteorder bytes bytes_at calcsize call_exception_handler callable cancel cb ceil center chdir
choice chr classmethod clear close closure cmath code collect collections compile complex connect const context copy
copysign core coro cos cosh count crc32 create_task cur_task current_task data decode default
default_exception_handler deflate degrees delattr deleter deque dict dict_view difference difference_update digest
dir disable discard divmod do_handshake_on_connect doc done drain dt dump dumps e ellipse enable encode encoding end
endswith enumerate er erf erfc errno errorcode eval event exc exc_type exception exec execfile exit exp expm1 extend
fabs factorial file fileno fill fill_rect filter find flags float floor flush fmod format framebuf frexp from_bytes
fromhex fromkeys frozenset funcs function future gamma gather gc generator get get_event_loop get_exception_handler
get_extra_info get_ident getaddrinfo getattr getcwd getrandbits getter getvalue globals gmtime group handler hasattr
hash hashlib heap_lock heap_unlock heapify heappop heappush heapq help hex hexlify hline host id idle idx ilistdir
imag implementation index indices inf input insert int intersection intersection_update invert io ioctl ipoll is_set
isalpha isclose isdigit isdisjoint isenabled isfinite isinf isinstance islower isnan isspace issubclass issubset
issuperset isupper items iter iterable iterator join json kbd_intr keepends key keys ldexp len lgamma libc_ver line
list listdir listen little load loads locals localtime lock locked log log10 log2 lookahead loop lower lstrip
machine main main_task makefile map match math max maxsize mem mem16 mem32 mem8 mem_alloc mem_free mem_info
memoryview message micropython min mkdir mkfs mktime mode modf modify module modules mount mtime n name namedtuple
nan native new_event_loop newline next object oct off on open open_connection opt_level ord os out_buf pack
pack_into partition path peek peername pend_throw ph_key phase pi pixel platform polar poll poller poly pop popitem
popleft port pow print print_exception progsize property ps1 ps2 ptr ptr16 ptr32 ptr8 push python_compiler qstr_info
queue_read queue_write r radians randint random randrange range rb re read readblocks readexactly readinto readline
readlines readonly readsize real rect recv recvfrom register rel_tol release remove rename replace repr req
return_exceptions reverse reversed rfind rindex rmdir round rpartition rsplit rstrip run run_forever
run_until_complete runq_len s schedule scroll search seed seek select self send sendall sendto sep separators
server_hostname server_side set set_exception_handler setattr setblocking setdefault setsockopt setter settimeout
sgen sha256 sin single sinh sizeof sleep sleep_ms sleep_us slice socket soft_reset sort sorted split splitlines sqrt
ssl stack_size stack_use start start_new_thread start_server startswith stat state staticmethod statvfs stderr stdin
stdout step stop str stream stream_awrite strip struct sub sum super symmetric_difference
symmetric_difference_update sync sys sz t tan tanh task tau tb tell text threshold throw ticks ticks_add ticks_cpu
ticks_diff ticks_ms ticks_us time time_ns time_pulse_us timeout to_bytes trunc tuple type uctypes uint umount
unhexlify uniform union unlink unpack unpack_from unregister update upper urandom usys v value values version
version_info vfs viper vline wait wait_closed wait_for wait_for_ms wait_io_event waiter waiting waitq_len websocket
wrap_socket write writeblocks zip
""".split()
)

# In an ESP32's or an ESP32-C3's image, among them the hardware and umqtt.
ON_CHIPS = frozenset(
    """
ADC ADCBlock ADDR_LEN AIOESPNow APA106 AP_IF ATTN_0DB ATTN_11DB ATTN_2_5DB ATTN_6DB AUTH_CHAP AUTH_MAX AUTH_NONE
AUTH_OPEN AUTH_OWE AUTH_PAP AUTH_WAPI_PSK AUTH_WEP AUTH_WPA2_ENTERPRISE AUTH_WPA2_PSK AUTH_WPA2_WPA3_PSK
AUTH_WPA3_ENT_192 AUTH_WPA3_EXT_PSK AUTH_WPA3_EXT_PSK_MIXED_MODE AUTH_WPA3_PSK AUTH_WPA_PSK AUTH_WPA_WPA2_PSK
Authorization BASE BLE BOOT BufferedWriter CERT_NONE CERT_OPTIONAL CERT_REQUIRED CLEAR CONFIG CTS Connection Counter
D DAC DEBUG DECREMENT DEEPSLEEP DEEPSLEEP_RESET DELAY DELETE DESC DHT11 DHT22 DHTBase DOWN DRIVE_0 DRIVE_1 DRIVE_2
DRIVE_3 DS18X20 Done E ESPNow ESPNowBase ETH_CONNECTED ETH_DISCONNECTED ETH_GOT_IP ETH_INITIALIZED ETH_STARTED
ETH_STOPPED EXT0_WAKE EXT1_WAKE Encoder Error FALLING FLAG_INDICATE FLAG_NOTIFY FLAG_READ FLAG_WRITE
FLAG_WRITE_NO_RESPONSE GET GIL HARD_RESET HEAD HEAP_DATA HEAP_EXEC HOLD Host I2C I2CTarget I2S IF_AP IF_STA IGNORE
IN INCL INCREMENT INV_CTS INV_RTS INV_RX INV_TX IPPROTO_IP IPPROTO_TCP IPPROTO_UDP IRQ IRQ_BREAK IRQ_END_READ
IRQ_END_WRITE IRQ_FALLING IRQ_MAX IRQ_MIN IRQ_RISING IRQ_RX IRQ_RXIDLE IRQ_THRESHOLD0 IRQ_THRESHOLD1 IRQ_ZERO
KEY_LEN LAN LOG_DEBUG LOG_ERROR LOG_INFO LOG_NONE LOG_VERBOSE LOG_WARNING LS LSB MATCH_ROM MAX_DATA_LEN
MAX_ENCRYPT_PEER_NUM MAX_TOTAL_PEER_NUM MBEDTLS_VERSION MODE_11B MODE_11G MODE_11N MODE_LR MONO MQTTClient
MQTTException MSB Man NORMAL NVS NeoPixel ONE_SHOT OPEN_DRAIN ORDER OUT OneWire OneWireError PASS PATCH PCNT
PERIODIC PHY_DM9051 PHY_DP83848 PHY_GENERIC PHY_IP101 PHY_KSZ8041 PHY_KSZ8081 PHY_KSZ8851SNL PHY_LAN8670 PHY_LAN8710
PHY_LAN8720 PHY_RTL8201 PHY_W5500 PIN_WAKE PM_NONE PM_PERFORMANCE PM_POWERSAVE POST PPP PROTOCOL_DEFAULT
PROTOCOL_DTLS_CLIENT PROTOCOL_DTLS_SERVER PROTOCOL_LR PROTOCOL_TLS_SERVER PULL_DOWN PULL_UP PULSE_MAX PUT PWD PWM
PWRON_RESET Partition Pin RATE_11M RATE_12M RATE_1M RATE_24M RATE_2M RATE_54M RATE_5M RATE_6M RATE_LORA_250K
RATE_LORA_500K RC RESERVE_MEM REVERSE RISING RMT RTC RTS RUNNING RX Response SDCard SEARCH_ROM SEC_CHAP SEC_DPP
SEC_NONE SEC_OPEN SEC_OWE SEC_PAP SEC_WAPI SEC_WEP SEC_WPA SEC_WPA2 SEC_WPA2_ENT SEC_WPA2_WPA3 SEC_WPA2_WPA3_ENT
SEC_WPA3 SEC_WPA3_ENT SEC_WPA3_ENT_192 SEC_WPA3_EXT_PSK SEC_WPA3_EXT_PSK_MIXED_MODE SEC_WPA_ENT SEC_WPA_WPA2
SKIP_ROM SLEEP SOFT_RESET SO_BINDTODEVICE SPI SSLSocket STAT_ASSOC_FAIL STAT_BEACON_TIMEOUT STAT_CONNECTING
STAT_CONNECT_FAIL STAT_GOT_IP STAT_HANDSHAKE_TIMEOUT STAT_IDLE STAT_NO_AP_FOUND
STAT_NO_AP_FOUND_IN_AUTHMODE_THRESHOLD STAT_NO_AP_FOUND_IN_RSSI_THRESHOLD STAT_NO_AP_FOUND_W_COMPATIBLE_SECURITY
STAT_WRONG_PASSWORD STA_IF STEREO SoftI2C SoftSPI TCP_NODELAY TIMER_WAKE TOUCHPAD_WAKE TX TYPE_APP TYPE_DATA Timer
TouchPad UART ULP ULP_WAKE UP UUID WAKEUP_ALL_LOW WAKEUP_ANY_HIGH WAKE_HIGH WAKE_LOW WDT WDT_RESET WIDTH_10BIT
WIDTH_11BIT WIDTH_12BIT WIDTH_9BIT WLAN _CounterBase _INSTANCES _PCNT __iand__ __ifloordiv__ __ilshift__ __imatmul__
__imod__ __imul__ __ior__ __ipow__ __irshift__ __itruediv__ __ixor__ _cached _check_exists _chunk _configure
_context _data _download_file _ensure_path_exists _espnow _install_json _install_package _none_tuple _offset
_onewire _overflow _overflows _ow _path _pcnt _phases _recv_len _rewrite_url _search_rom _send_str _unit_id _webrepl
accept_conn accept_handler action active add_peer addr addr4 addr_mode addrsize adv_data aes airecv
alloc_emergency_exception_buf allowed_mip_url_prefixes arecv arg asend attempts atten auth authmode baudrate bcc
bccz bdev bit_branch bits bitstream bitstream_channel bitstream_rmt block block_size bluetooth board bond bootloader
bpp branch bssid btree cachesize cadata cafile call0 callback cat cd cert cert_reqs certfile change_daemon channel
check_bootsec check_msg choices chunked cipher cl clean_session client_id client_s clock_div cls commit config
connectable content convert_temp country cp crc8 cryptolib cs cts d datetime decrypt deepsleep deinit del_peer delay
delete deps dest dhcp4 dhcp_hostname dht_readinto diff direction disable_irq disabled disconnect dns do_handshake
drive dupterm dupterm_notify duty duty_ns duty_u16 edge enable_irq enabled encrypt erase_key esp esp32 espnow essid
exists f falling feed ffat filter_ns firstbit flash_erase flash_read flash_size flash_user_start flash_write
flashbdev flow fname freq fs_corrupted gap_advertise gap_connect gap_disconnect gap_name gap_pair gap_passkey
gap_scan gattc_discover_characteristics gattc_discover_descriptors gattc_discover_services gattc_exchange_mtu
gattc_read gattc_write gatts_indicate gatts_notify gatts_read gatts_register_services gatts_set_buffer gatts_write
get_blob get_ciphers get_daemon_status get_i32 get_next_update get_peer get_peers getpass getpeercert
gpio_deep_sleep_hold gpio_matrix_in gpio_matrix_out gw4 hard hashes head headers hidden hold hostname humidity i
ibuf idf_heap_info idle_level ifconfig ifidx ifname in_reconnect info inisetup init input_choice input_pass install
interval_us ipconfig irecv irq isconnected keepalive keyfile l32r l_rom label latest le_secure level lightsleep
listen_s listen_sock lmk load_binary load_cert_chain load_verify_locations location loop_count ls lw_msg lw_qos
lw_retain lw_topic mac man mark_app_valid_cancel_rollback max_clients mcu_temperature md5 mdc mdio measure
mem_addrsize memaddr memory method minkeypage miso mitm mod_peer mode_high mode_low mode_pin mosi mpy msg mtu mv
neopixel network newfile nodename num_symbols onewire osdebug ow package package_json_url pagesize parity
parse_headers password patch pcnt peer_count peers_table period phase_a phase_b phases phy_addr phy_mode phy_type
pid pin ping pins pm polarity post power processor prompt protocol pswd publish pull put pwd py pyb pyboard qos rate
raw raw_temperature read_scratch read_temp read_u16 read_uv readbit readbyte readfrom readfrom_into readfrom_mem
readfrom_mem_into reason reconnect reconnects recursive recv_into recvinto ref_clk ref_clk_mode rejected request
requesting requests required reset reset_cause resolution_hz resp_data retain rising rm rom rssi rts rwb rx rxbuf
scan sck scl sd sda security select_rom send_html sendbreak seq server server_handshake set_blob set_boot
set_callback set_ciphers set_i32 set_last_will set_pmk set_wakeup_period settime setup setup_conn sha1 shift
short_hash simple slot sock source_freq spi src ssid ssl_params start_foreground static_host stations stats status
status_code subscribe subtype sysname target temperature threshold0 threshold1 tick_hz timeout_char timeout_ms
timing tls toggle topic trigger tx tx_carrier txbuf txdone txpower uname unique_id unit_id unsubscribe url urls user
username val verify_callback verify_mode w wait_done wait_msg wake wake_on_ext0 wake_on_ext1 wake_on_gpio
wake_on_touch wake_on_ulp wake_reason wb webrepl webrepl_cfg width wp write_pulses write_readinto write_scratch
writebit writebyte writeto writeto_mem writevto ws y
""".split()
)

# The attributes of the classes from elsewhere that classes of ours may be made of, by module and name. What exceptions
# have is in the tables above.
BASES = {
    "io:IOBase": frozenset(("close", "ioctl", "read", "readinto", "readline", "write")),
    "object": frozenset[str](),
    "umqtt.simple:MQTTClient": frozenset(
        """
        cb client_id keepalive lw_msg lw_qos lw_retain lw_topic pid port pswd server sock ssl ssl_params user
        _recv_len _send_str check_msg connect disconnect ping publish set_callback set_last_will subscribe wait_msg
        """.split()
    ),
}
