# Reads a package.json and prints, as shell assignments in single quotes, the few fields that `workspace-start`
# needs. Starting node to parse it would take 40 ms of every start; this takes 2.
#
# Strings never span lines in JSON, so each line is taken apart by itself: depth, key and the object the key stands
# in carry over. A `\u` escape is decoded in the ASCII range (Go and .NET write `&&` that way) and kept as it is above.

function unescape(text,    out, at, c) {
    out = ""
    while ((at = index(text, "\\")) > 0) {
        out = out substr(text, 1, at - 1)
        c = substr(text, at + 1, 1)
        text = substr(text, at + 2)
        if (c == "n") out = out "\n"
        else if (c == "t") out = out "\t"
        else if (c == "r") out = out "\r"
        else if (c == "b" || c == "f") out = out " "
        else if (c == "u" && tolower(text) ~ /^00[0-7][0-9a-f]/) {
            out = out sprintf("%c", substr(text, 3, 1) * 16 + index("0123456789abcdef", tolower(substr(text, 4, 1))) - 1)
            text = substr(text, 5)
        } else if (c == "u") out = out "\\u"
        else out = out c
    }
    return out text
}

function assign(name, value) {
    gsub(/'/, "'\\''", value)
    print name "='" value "'"
}

function found(value) {
    if (depth == 1 && key == "main") assign("main", value)
    else if (depth == 1 && key == "name") assign("npm_package_name", value)
    else if (depth == 1 && key == "version") assign("npm_package_version", value)
    else if (depth == 2 && parent == "scripts" && (key == "start" || key == "prestart")) assign(key, value)
}

{
    line = $0
    while (line != "") {
        if (match(line, /^[ \t\r]+/)) {
        } else if (match(line, /^"([^"\\]|\\.)*"/)) {
            text = unescape(substr(line, 2, RLENGTH - 2))
            if (expecting_value) { found(text); expecting_value = 0 }
            else key = text
        } else {
            match(line, /^([^][{}:,"]+|.)/)
            c = substr(line, 1, RLENGTH)
            if (c == ":") expecting_value = 1
            else if (c == "{" || c == "[") { if (depth == 1) parent = key; depth++; expecting_value = 0 }
            else if (c == "}" || c == "]") { depth--; expecting_value = 0 }
            else expecting_value = 0
        }
        line = substr(line, RLENGTH + 1)
    }
}
