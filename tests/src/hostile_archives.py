"""Writes archives that nobody should upload into a folder, and says as JSON what each is refused for."""

import io, json, os, stat, subprocess, sys, tarfile, zipfile

out = sys.argv[1]
cases = []


def case(file, data, *words):
    with open(os.path.join(out, file), "wb") as to:
        to.write(data)
    cases.append([file, list(words)])


def tar(*entries, mode="w:gz"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode, format=tarfile.GNU_FORMAT) as archive:
        for name, body, changes in entries:
            info = tarfile.TarInfo(name)
            info.size = len(body)
            for key, value in changes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


def file(name, body=b"evil", **changes):
    return name, body, changes


def special(name, kind, target=""):
    return name, b"", {"type": kind, "linkname": target}


def zipped(*entries):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body, mode in entries:
            info = zipfile.ZipInfo(name)
            info.create_system = 3
            info.external_attr = mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, body)
    return buffer.getvalue()


good = file("index.html")
case("absolute.tar.gz", tar(good, file("/etc/evil")), "/etc/evil", "begins at the root")
case("above.tar.gz", tar(good, file("a/../../evil")), "a/../../evil")
case("link-absolute.tar.gz", tar(good, special("out", tarfile.SYMTYPE, "/etc")), "out", "/etc")
case("link-above.tar.gz", tar(good, special("a/out", tarfile.SYMTYPE, "../../x")), "a/out", "../../x")
case("through.tar.gz", tar(special("in", tarfile.SYMTYPE, "b"), file("in/x")), "in/x", "through")
case("hard-link.tar.gz", tar(good, special("hard", tarfile.LNKTYPE, "/etc/passwd")), "hard", "/etc/passwd")
case("device.tar.gz", tar(good, special("dev/null", tarfile.CHRTYPE)), "dev/null", "a device")
case("pipe.tar.gz", tar(good, special("pipe", tarfile.FIFOTYPE)), "pipe", "a named pipe")
case("twice.tar.gz", tar(good, good), "index.html", "more than once")
case("file-and-folder.tar.gz", tar(file("a"), file("a/b")), '"a"')
case("not-utf8.tar.gz", tar(file("caf\udce9")), "UTF-8")
case("many.tar.gz", tar(*(file(str(n), b"") for n in range(100_001))), "100000 entries")
case("large.tar.gz", tar(file("zeros", bytes(8 << 20))), "more than 1048576 bytes")
case("large-plain.tar", tar(file("zeros", bytes(2 << 20)), mode="w"), "more than 1048576 bytes")
case("bomb.zip", zipped(("zeros", bytes(64 << 20), 0o100644)), "more than 1048576 bytes")
case("cut.tar.gz", tar(file("a", os.urandom(50_000)))[:30_000], "cut off", '"a"')
case("cut.zip", zipped(("a", os.urandom(50_000), 0o100644))[:30_000], "damaged or cut off")
case("empty.zip", b"", "it is empty")
case("text.tar.gz", b"no archive at all\n", "no tar archive")
case("nothing.tar.gz", tar(), "no file in it")
case("only-ours.tar.gz", tar(file(".cloudyknight/commit")), "no file in it")
case("above.zip", zipped(("../evil", b"x", 0o100644)), "../evil")
case("above-windows.zip", zipped(("..\\evil", b"x", 0o100644)), "evil")
case("link.zip", zipped(("out", b"../../etc", stat.S_IFLNK | 0o777)), "out", "../../etc")
case("window.tar.zst", bytes([0x28, 0xB5, 0x2F, 0xFD, 0, 0xF8, 1, 0, 0]), "damaged")
packed = subprocess.run(["zstd", "-q"], input=tar(good, mode="w"), stdout=subprocess.PIPE, check=True).stdout
twice = subprocess.run(["zstd", "-q"], input=packed, stdout=subprocess.PIPE, check=True).stdout
case("nested.tar.zst", twice, "damaged")
case("cut.tar.zst", packed[:-9], "damaged or cut off")

plain = zipped(("secret", b"x" * 100, 0o100644))
encrypted = bytearray(plain)
for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
    encrypted[plain.index(signature) + flags] |= 1
case("encrypted.zip", bytes(encrypted), "secret", "encrypted")
both = bytearray(plain)
at = plain.index(b"secret")
both[at : at + 6] = b"public"
case("two-names.zip", bytes(both), "damaged")

print(json.dumps(cases))
