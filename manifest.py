"""What to freeze into a firmware image of your own: give this file to the ESP32 port as FROZEN_MANIFEST.

boot.py and main.py are found frozen before the file system is looked at, so a board with such an image needs no files
of ours but settings.json.
"""

# What official images freeze: asyncio, umqtt.simple, ssl.
include("$(PORT_DIR)/boards/manifest.py")

module("boot.py")
module("main.py")
package("firmware")

module("bell.py", base_path="lib")
module("cbor.py", base_path="lib")
module("comb25519.py", base_path="lib")
module("constant.py", base_path="lib")
module("cose.py", base_path="lib")
module("ed25519.py", base_path="lib")
module("edwards25519.py", base_path="lib")
module("field25519.py", base_path="lib")
module("hkdf.py", base_path="lib")
module("inverse.py", base_path="lib")
module("isodep.py", base_path="lib")
module("jpeg.py", base_path="lib")
module("keypad_matrix.py", base_path="lib")
module("ndef.py", base_path="lib")
module("number25519.py", base_path="lib")
module("p256.py", base_path="lib")
module("p256_field.py", base_path="lib")
module("p256_point.py", base_path="lib")
module("p256_table.py", base_path="lib")
module("pn532.py", base_path="lib")
module("pn532_hsu.py", base_path="lib")
module("pn532_spi.py", base_path="lib")
module("pn532_target.py", base_path="lib")
module("sha512.py", base_path="lib")
module("sntp.py", base_path="lib")
module("table25519.py", base_path="lib")
module("type2.py", base_path="lib")
module("typing.py", base_path="lib")
module("vc0706.py", base_path="lib")
module("wiegand.py", base_path="lib")
module("workspace.py", base_path="lib")
module("x25519.py", base_path="lib")
