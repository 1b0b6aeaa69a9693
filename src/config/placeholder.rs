//! Detection of placeholders from examples, such as `<your-broker>`.

use toml::de::DeValue;

use super::document::Document;
use super::explain::shown;
use super::fault::Fault;

/// Checks all strings for placeholders.
///
/// # Errors
/// A string holds a placeholder; the fault names key, line and placeholder.
pub(crate) fn check(document: &Document<'_>) -> Result<(), Fault> {
    document.each(&mut |path, offset, value| {
        let DeValue::String(text) = value.get_ref() else { return Ok(()) };
        let Some(placeholder) = find(last_key(path), text) else { return Ok(()) };
        let line = document.line_at(offset);
        Err(Fault::at_line(
            line,
            format!(
                "`{}` still has the placeholder `{placeholder}`; put your own value in its place",
                shown(path)
            ),
        ))
    })
}

fn last_key(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// Returns the placeholder in `text`: `<words>` as the whole value of any key, or `<words>` and
/// `YOUR_…` anywhere in an address, a user name or a node name.
fn find<'a>(key: &str, text: &'a str) -> Option<&'a str> {
    let anywhere = matches!(key, "url" | "uri" | "username" | "node");
    let in_brackets = text.match_indices('<').find_map(|(start, _)| {
        let inside = &text[start + 1..];
        let end = inside.find('>')?;
        let words = &inside[..end];
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | ' ' | '.' | '/');
        let is_placeholder = words.starts_with(|c: char| c.is_ascii_alphabetic()) && words.chars().all(plain);
        let whole = start == 0 && end + 2 == text.len();
        (is_placeholder && (whole || anywhere)).then(|| &text[start..start + end + 2])
    });
    in_brackets.or_else(|| {
        let start = ["YOUR_", "YOUR-"].into_iter().find_map(|mark| text.find(mark)).filter(|_| anywhere)?;
        let rest = &text[start..];
        let end =
            rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')).unwrap_or(rest.len());
        Some(&rest[..end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_named_with_their_line() {
        let check = |text: &str, expected: Option<&str>| {
            let found = check(&Document::parse(text).unwrap()).err().map(|fault| fault.to_string());
            match expected {
                Some(part) => assert!(found.as_ref().is_some_and(|fault| fault.contains(part)), "{found:?}"),
                None => assert_eq!(found, None, "{text}"),
            }
        };
        check(
            "[mqtt]\nurl = 'mqtt://<your-broker>:1883'",
            Some("line 2: `mqtt.url` still has the placeholder `<your-broker>`"),
        );
        check(
            "[[source]]\nuri = 'http://YOUR_HOST/live'",
            Some("line 2: `uri` still has the placeholder `YOUR_HOST`"),
        );
        check("[mqtt]\npassword = '<password>'", Some("line 2: `mqtt.password`"));
        check("[mqtt]\npassword = 'a<b>c'", None);
        check("[[source]]\nuri = 'x'\nname = 'a < b > c'", None);
        check("[[source]]\nuri = 'process:'\ncommand = ['x', '<stream url>']", Some("line 3: `command`"));
        check("node = 'x' # <not this>", None);
    }
}
