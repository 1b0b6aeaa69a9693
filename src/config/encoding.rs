//! Character encoding of the configuration file: UTF-8, with or without a byte order mark.

use super::fault::Fault;

/// Returns the text in `bytes`.
///
/// # Errors
/// `bytes` are not UTF-8; the fault names the likely encoding, the line and the byte.
pub(crate) fn decode(bytes: &[u8]) -> Result<&str, Fault> {
    const ADVICE: &str = "save the file as UTF-8";
    if let Some((encoding, iconv)) = wide(bytes) {
        return Err(Fault::at_line(
            1,
            format!("byte 1: the file is {encoding}; {ADVICE} (`iconv -f {iconv} -t UTF-8`)"),
        ));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let error = match std::str::from_utf8(bytes) {
        Ok(text) => return Ok(text),
        Err(error) => error,
    };
    let (before, rest) = bytes.split_at(error.valid_up_to());
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    let byte = rest.first().copied().unwrap_or_default();
    let guess = match byte {
        // Printable in both ISO 8859-1 and Windows-1252.
        0xa0.. => format!(
            "Latin-1 (ISO 8859-1) would be `{}` there; {ADVICE} (`iconv -f LATIN1 -t UTF-8`)",
            char::from(byte)
        ),
        // Quotes and dashes of Windows-1252, control characters in ISO 8859-1.
        _ => format!("it may be Windows-1252; {ADVICE} (`iconv -f WINDOWS-1252 -t UTF-8`)"),
    };
    Err(Fault::at_line(line, format!("byte {column} (0x{byte:02x}) is not UTF-8; {guess}")))
}

/// Detects an encoding with several bytes per ASCII character. Returns its display name and its
/// name in `iconv`.
fn wide(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let zeros: Vec<bool> = bytes.iter().take(4).map(|byte| *byte == 0).collect();
    match bytes {
        [0xff, 0xfe, 0, 0, ..] => Some(("UTF-32", "UTF-32")),
        [0xff, 0xfe, ..] => Some(("UTF-16 (little-endian)", "UTF-16")),
        [0xfe, 0xff, ..] => Some(("UTF-16 (big-endian)", "UTF-16")),
        // Without a byte order mark: every second byte of ASCII text is zero.
        _ if zeros == [false, true, false, true] => Some(("UTF-16 (little-endian)", "UTF-16LE")),
        _ if zeros == [true, false, true, false] => Some(("UTF-16 (big-endian)", "UTF-16BE")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes encoded by Python: `"[mqtt]\nnode = 'ü'\n".encode(NAME)`.
    #[test]
    fn encodings_are_named_with_line_and_byte() {
        let check = |bytes: &[u8], expected: &str| {
            let fault = decode(bytes).unwrap_err().to_string();
            assert!(fault.contains(expected), "{fault}");
        };
        check(
            b"[mqtt]\nnode = '\xfc'\n",
            "line 2: byte 9 (0xfc) is not UTF-8; Latin-1 (ISO 8859-1) would be `\u{fc}`",
        );
        check(b"a = 1\r\n\r\nb = \x93x\x94", "line 3: byte 5 (0x93) is not UTF-8; it may be Windows-1252");
        check(b"\xff\xfe[\0m\0q\0", "line 1: byte 1: the file is UTF-16 (little-endian)");
        check(b"\xfe\xff\0[\0m", "UTF-16 (big-endian)");
        check(b"[\0m\0q\0t\0", "UTF-16 (little-endian)");
        check(b"\0[\0m\0q\0t", "UTF-16 (big-endian)");
        check(b"\xff\xfe\0\0[\0\0\0", "UTF-32");
    }

    #[test]
    fn a_byte_order_mark_is_accepted() {
        assert_eq!(decode(b"\xef\xbb\xbfhop_s = 1").unwrap(), "hop_s = 1");
        assert_eq!(decode("node = 'ü'".as_bytes()).unwrap(), "node = 'ü'");
        assert_eq!(decode(b"").unwrap(), "");
        assert_eq!(decode(b"a").unwrap(), "a");
    }
}
