//! Text of uncertain encoding, as servers and playlists send it.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use quick_xml::escape::resolve_html5_entity;

/// Longest character reference that is resolved, in bytes between `&` and `;`.
const MAX_REFERENCE: usize = 32;

/// Decodes `bytes` by their byte order mark, else as UTF-8 if valid, else by the label `charset`
/// (WHATWG Encoding Standard), else as Windows-1252. Zero bytes are dropped.
pub(super) fn decode(bytes: &[u8], charset: Option<&str>) -> String {
    let text = match Encoding::for_bom(bytes) {
        Some((encoding, mark)) => encoding.decode_without_bom_handling(&bytes[mark..]).0,
        None => match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => {
                let stated = charset.and_then(|label| Encoding::for_label(label.trim().as_bytes()));
                // The bytes are not UTF-8, and UTF-16 would begin with a byte order mark.
                let encoding = stated.filter(|encoding| encoding.is_ascii_compatible() && *encoding != UTF_8);
                encoding.unwrap_or(WINDOWS_1252).decode_without_bom_handling(bytes).0
            }
        },
    };
    match text.contains('\0') {
        true => text.chars().filter(|c| *c != '\0').collect(),
        false => text.into_owned(),
    }
}

/// Resolves numeric and named character references as HTML does; other text is kept.
///
/// Numbers from 128 to 159 denote Windows-1252 characters (WHATWG HTML, 13.2.5.80).
pub(super) fn resolve_references(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut resolved = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        resolved.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(MAX_REFERENCE + 2).position(|byte| byte == b';');
        match end.and_then(|end| Some((reference(&rest[1..end])?, end))) {
            Some((character, end)) => {
                resolved.push_str(&character);
                rest = &rest[end + 1..];
            }
            None => {
                resolved.push('&');
                rest = &rest[1..];
            }
        }
    }
    resolved.push_str(rest);
    Cow::Owned(resolved)
}

/// Text denoted by a reference, given without `&` and `;`.
fn reference(name: &str) -> Option<Cow<'static, str>> {
    let Some(number) = name.strip_prefix('#') else { return resolve_html5_entity(name).map(Cow::Borrowed) };
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
        None => number.parse(),
    };
    let code = code.ok().filter(|_| !number.starts_with('+'))?;
    if let Ok(byte @ 0x80..=0x9f) = u8::try_from(code) {
        return Some(WINDOWS_1252.decode_without_bom_handling(&[byte]).0.into_owned().into());
    }
    char::from_u32(code).filter(|c| *c != '\0').map(|c| c.to_string().into())
}

/// Undoes UTF-8 that was decoded as Windows-1252 and encoded a second time, as in `GrÃ¼n`.
///
/// Changes the text only if all of it is explained by such an encoding.
#[cfg(any(feature = "net", test))]
pub(super) fn undo_double_encoding(text: &str) -> Cow<'_, str> {
    let is_candidate = text.chars().any(|c| matches!(c, '\u{c2}'..='\u{f4}'));
    let bytes: Option<Vec<u8>> = is_candidate.then(|| text.chars().map(byte_of).collect()).flatten();
    match bytes.map(String::from_utf8) {
        Some(Ok(decoded)) => Cow::Owned(decoded),
        _ => Cow::Borrowed(text),
    }
}

/// Byte that encodes `character` in Windows-1252, or in Latin-1 where Windows-1252 has none.
#[cfg(any(feature = "net", test))]
fn byte_of(character: char) -> Option<u8> {
    if let Ok(byte) = u8::try_from(character) {
        return Some(byte);
    }
    let text = character.to_string();
    let (bytes, _, is_unmappable) = WINDOWS_1252.encode(&text);
    match (is_unmappable, bytes.as_ref()) {
        (false, &[byte]) => Some(byte),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings() {
        let check = |bytes: &[u8], charset: Option<&str>, expected: &str| {
            assert_eq!(decode(bytes, charset), expected, "{bytes:?} {charset:?}");
        };
        check("Grün".as_bytes(), None, "Grün");
        check("Grün".as_bytes(), Some("iso-8859-1"), "Grün");
        check(b"Gr\xfcn \x96 Caf\xe9", None, "Grün \u{2013} Café");
        check(b"Gr\xfcn", Some("UTF-8"), "Grün");
        check(b"\xcf\xee\xeb\xeb\xe8", Some("windows-1251"), "Полли");
        check(b"\xef\xbb\xbfx", None, "x");
        check(b"\xff\xfeA\0\xfc\0", None, "Aü");
        check(b"\xfe\xff\0A\0\xfc", None, "Aü");
        check(b"a\0b\0", None, "ab");
        check(b"Gr\xfcn", Some("no such charset"), "Grün");
        check(b"", None, "");
    }

    #[test]
    fn references() {
        let check = |text: &str, expected: &str| assert_eq!(resolve_references(text), expected);
        check("Micha&#322; &#x142; &#X142;", "Michał ł ł");
        check("Simon &amp; Garfunkel &lt;3 &quot;x&quot; &apos;", "Simon & Garfunkel <3 \"x\" '");
        check("Gr&uuml;n &eacute;t&eacute;", "Grün été");
        check("it&#146;s", "it\u{2019}s");
        check(
            "AT&T; R&B &; &#; &#x; &#-1; &#0; &#xd800; &#1114112; &nosuch;",
            "AT&T; R&B &; &#; &#x; &#-1; &#0; &#xd800; &#1114112; &nosuch;",
        );
        check("a & b &am", "a & b &am");
        check(&format!("&{};", "a".repeat(1000)), &format!("&{};", "a".repeat(1000)));
        check("ü&ü;ü&#228;", "ü&ü;üä");
    }

    #[test]
    fn double_encoding() {
        let check = |text: &str, expected: &str| assert_eq!(undo_double_encoding(text), expected);
        check("GrÃ¼n", "Grün");
        check("itâ€™s", "it\u{2019}s");
        check("BjÃ¶rk â€“ JÃ³ga", "Björk \u{2013} Jóga");
        check("\u{d0}\u{9f}\u{d0}\u{be}", "По");
        for right in ["Grün", "Björk", "plain", "Ã", "ÃÉ", "Полли", "Grün GrÃ¼n"] {
            check(right, right);
        }
    }
}
