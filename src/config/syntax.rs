//! Messages about syntax errors. They recognize the syntax of other formats and show the TOML
//! equivalent.

use super::fault::{Fault, line_at};

/// Converts an error of the parser about `text` to a fault.
pub(crate) fn explain(text: &str, error: &toml::de::Error) -> Fault {
    let message = error.message();
    let Some(span) = error.span() else { return Fault::new(None, message) };
    let at = line_at(text, span.start);
    let line = text.lines().nth(at - 1).unwrap_or_default();
    // The parser reports an unclosed string or a missing value at the end of the text or one line
    // later.
    let lines = [at, at.saturating_sub(1)].into_iter().filter(|number| *number > 0);
    if message.contains("carriage return") {
        return Fault::at_line(
            at,
            "a line ends with a carriage return alone; save the file with the line ends LF or CRLF",
        );
    }
    if message.contains("duplicate key") {
        return duplicate(text, at, span.start, message);
    }
    for number in lines {
        let line = text.lines().nth(number - 1).unwrap_or_default();
        if let Some(advice) = foreign_syntax(line) {
            return Fault::at_line(number, advice);
        }
    }
    let column =
        text[..span.start.min(text.len())].rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let shown = if may_hold_secret(line) || line.trim().is_empty() {
        String::new()
    } else {
        format!(" in `{}`", line.trim())
    };
    Fault::at_line(at, format!("column {column}: {message}{shown}"))
}

/// Returns whether a line may hold a secret, so that no message may quote it.
pub(crate) fn may_hold_secret(line: &str) -> bool {
    let lower = line.to_ascii_lowercase();
    lower.contains("pass") || lower.contains("://") || lower.contains("token") || lower.contains("secret")
}

fn duplicate(text: &str, line: usize, offset: usize, message: &str) -> Fault {
    let rest = &text[offset.min(text.len())..];
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name: String = rest.chars().skip_while(|c| *c == '[').take_while(|c| is_name(*c)).collect();
    if name.is_empty() {
        return Fault::at_line(line, message);
    }
    // The latest earlier line that begins in the same way.
    let begins = |text: &&str| {
        let text = text.trim_start().trim_start_matches('[');
        text.strip_prefix(name.as_str()).is_some_and(|rest| rest.trim_start().starts_with(['=', ']', '.']))
    };
    let before: Vec<&str> = text.lines().take(line - 1).collect();
    let first = before.iter().rposition(begins).map(|index| format!(" (line {} has it, too)", index + 1));
    Fault::at_line(line, format!("`{name}` is there twice{}; keep one", first.unwrap_or_default()))
}

/// Returns advice for a line in the syntax of another format.
fn foreign_syntax(line: &str) -> Option<String> {
    let trimmed = line.trim();
    odd_character(line)
        .or_else(|| comment(trimmed))
        .or_else(|| header(trimmed))
        .or_else(|| other_format(trimmed))
        .or_else(|| no_equals_sign(trimmed))
        .or_else(|| {
            let (key, value) = trimmed.split_once('=')?;
            key_with_spaces(key.trim()).or_else(|| bare_value(key.trim(), value.trim()))
        })
}

/// Detects a character that looks like another one.
fn odd_character(line: &str) -> Option<String> {
    // Called only for lines with an error, so that comments and strings may hold any character.
    let odd = line.chars().find(|c| {
        matches!(c, '\u{201c}'..='\u{201f}' | '\u{2018}'..='\u{201b}' | '\u{ab}' | '\u{bb}' | '\u{a0}'
            | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}' | '\u{3000}' | '\u{ff1d}')
    })?;
    Some(match odd {
        '\u{201c}'..='\u{201f}' | '\u{2018}'..='\u{201b}' | '\u{ab}' | '\u{bb}' => {
            format!("`{odd}` is a typographic quote; write the straight quote `\"`")
        }
        '\u{ff1d}' => format!("`{odd}` is a full-width sign; write `=`"),
        _ => format!("there is an invisible character (U+{:04X}); write an ordinary space", odd as u32),
    })
}

fn comment(line: &str) -> Option<String> {
    let mark = ["//", ";", "--", "/*"].into_iter().find(|mark| line.starts_with(mark) && line != "---")?;
    Some(format!("a comment begins with `#` in TOML, not with `{mark}`"))
}

/// Detects unbalanced brackets of a header: `[[source]`, `[source]]`, `source]`.
fn header(line: &str) -> Option<String> {
    let line = line.split('#').next().unwrap_or_default().trim();
    let name = line.trim_matches(['[', ']']);
    if name == line || name.contains(['[', ']', '=', '"', ',']) || name.trim().is_empty() {
        return None;
    }
    let corrected = match name.trim() {
        "source" => "[[source]]".to_owned(),
        name => format!("[{name}]"),
    };
    (corrected != line).then(|| format!("write `{corrected}`"))
}

/// Detects YAML and JSON.
fn other_format(line: &str) -> Option<String> {
    if line.starts_with(['{', '}']) || line == "---" {
        return Some(
            "this is JSON or YAML; TOML has `key = value` on lines of their own, under `[section]`".into(),
        );
    }
    let listed = line.strip_prefix("- ");
    let entry = listed.unwrap_or(line).trim_end_matches(',');
    let (key, value) = match entry.split_once(':') {
        Some((key, value)) if value.is_empty() || value.starts_with([' ', '\t', '"', '\'']) => {
            (key, value.trim())
        }
        _ => {
            return listed
                .map(|_| "`- ` begins a list in YAML; in TOML write `key = [\"one\", \"two\"]`".to_owned());
        }
    };
    let key = key.trim().trim_matches(['"', '\'']);
    let is_key = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if !is_key {
        return None;
    }
    Some(match (key, value, listed) {
        ("source" | "sources", "", _) => "`key:` is YAML; write `[[source]]` before each source".into(),
        (_, "", None) => format!("`{key}:` is YAML; write `[{key}]`"),
        _ => format!("`{key}: …` is YAML; write `{key} = …`, with strings in quotes"),
    })
}

/// Detects assignments without `=`: `hop 1.0`, `hop := 1.0`.
fn no_equals_sign(line: &str) -> Option<String> {
    let (key, value) = line.split_once([' ', '\t', ':'])?;
    let value = value.trim().trim_start_matches([':', '=']).trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let is_value = value.starts_with(['"', '\'', '['])
        || value.parse::<f64>().is_ok()
        || matches!(value, "true" | "false");
    let is_assigned = line.contains('=') && !line.contains(":=") && !line.contains("==");
    let is_fault = key.chars().all(plain) && !key.is_empty() && is_value && !is_assigned;
    is_fault.then(|| match may_hold_secret(line) {
        true => format!("write `{key} = …`"),
        false => format!("write `{key} = {value}`"),
    })
}

fn key_with_spaces(key: &str) -> Option<String> {
    let words: Vec<&str> = key.split_whitespace().collect();
    let plain = |word: &&str| word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    (words.len() > 1 && words.iter().all(plain))
        .then(|| format!("a key has no spaces; write `{}`", words.join("_")))
}

/// Detects a value without quotes or in the syntax of another language.
fn bare_value(key: &str, value: &str) -> Option<String> {
    let value = value.split(" #").next().unwrap_or_default().trim();
    let first = value.chars().next()?;
    let advice = match value {
        "True" | "TRUE" | "yes" | "Yes" | "on" | "On" => return Some(format!("write `{key} = true`")),
        "False" | "FALSE" | "no" | "No" | "off" | "Off" => return Some(format!("write `{key} = false`")),
        "null" | "None" | "nil" | "~" => return Some(format!("TOML has no `{value}`; leave `{key}` out")),
        _ if first == '"' && value.contains('\\') && !value.contains("\\\\") => {
            return Some(
                "`\\` begins an escape in \"…\"; write `\\\\`, or put the text in single quotes: '…'".into(),
            );
        }
        _ => value,
    };
    if let Some(advice) = array_of_words(key, value) {
        return Some(advice);
    }
    // `5s`, `1.0 seconds`, `30%`
    let unit = advice.trim_start_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+'));
    let number = advice[..advice.len() - unit.len()].trim();
    let is_unit = |c: char| c.is_alphabetic() || matches!(c, '%' | ' ' | ',');
    if number.parse::<f64>().is_ok() && !unit.trim().is_empty() && unit.chars().all(is_unit) {
        return Some(format!("write the number alone: `{key} = {number}`"));
    }
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = advice.trim_start_matches(['+', '-']);
    let sign = if advice.starts_with('-') { "-" } else { "" };
    for mark in [',', '.'] {
        let Some((whole, fraction)) = number.split_once(mark) else { continue };
        let (whole_ok, fraction_ok) = (digits(whole), digits(fraction));
        match (mark, whole_ok, fraction_ok) {
            (',', true, true) => {
                return Some(format!("write `{key} = {sign}{whole}.{fraction}`, with a decimal point"));
            }
            ('.', false, true) if whole.is_empty() => {
                return Some(format!("write `{key} = {sign}0.{fraction}`"));
            }
            ('.', true, false) if fraction.is_empty() => {
                return Some(format!("write `{key} = {sign}{whole}.0`"));
            }
            _ => {}
        }
    }
    if number.len() > 1 && number.starts_with('0') && digits(number) {
        return Some(format!(
            "write `{key} = {sign}{}`, without leading zeros",
            number.trim_start_matches('0')
        ));
    }
    if first.is_alphabetic() || matches!(first, '/' | '~' | '<' | '.') {
        return Some(if may_hold_secret(key) || may_hold_secret(value) {
            format!("the value of `{key}` needs quotes: `{key} = \"…\"`")
        } else {
            format!("a string needs quotes; write `{key} = \"{value}\"`")
        });
    }
    None
}

/// Detects arrays of words without quotes, or in parentheses: `[rock, pop]`, `("rock")`.
fn array_of_words(key: &str, value: &str) -> Option<String> {
    let inside = value.strip_prefix(['[', '('])?.strip_suffix([']', ')'])?;
    let words: Vec<String> = inside
        .split(',')
        .map(|word| word.trim().trim_matches(['"', '\'']))
        .filter(|word| !word.is_empty())
        .map(|word| format!("{word:?}"))
        .collect();
    let is_plain =
        inside.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | ',' | '"' | '\'' | '_' | '-'));
    (is_plain && !words.is_empty()).then(|| format!("write `{key} = [{}]`", words.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::super::document::Document;

    /// The specification is TOML 1.0 (toml.io/en/v1.0.0).
    #[test]
    fn habits_of_other_formats() {
        let check = |text: &str, expected: &str| {
            let fault = Document::parse(text).unwrap_err().to_string();
            assert!(fault.contains(expected), "{text:?}: {fault}");
        };
        check("node: studio1", "line 1: `node: …` is YAML; write `node = …`");
        check("hop_s = 1\nmqtt:\n  url: mqtt://h", "line 2: `mqtt:` is YAML; write `[mqtt]`");
        check("sources:\n  - name: x", "line 1: `key:` is YAML; write `[[source]]`");
        check("hop_s = 1.0\n- name: fm1", "line 2: `name: …` is YAML");
        check("{\n \"node\": \"x\"\n}", "line 1: this is JSON");
        check("// a comment", "begins with `#` in TOML, not with `//`");
        check("; a comment", "not with `;`");
        check("hop_s = 0,5", "line 1: write `hop_s = 0.5`");
        check("hop_s = .5", "write `hop_s = 0.5`");
        check("hop_s = 1.", "write `hop_s = 1.0`");
        check("[mqtt]\nenabled = True", "line 2: write `enabled = true`");
        check("[mqtt]\nenabled = no", "line 2: write `enabled = false`");
        check("node = None", "TOML has no `None`; leave `node` out");
        check("node = studio1", "line 1: a string needs quotes; write `node = \"studio1\"`");
        check(
            "[mqtt]\npassword = hunter",
            "line 2: the value of `password` needs quotes: `password = \"…\"`",
        );
        check("node = \u{201c}x\u{201d}", "line 1: `\u{201c}` is a typographic quote");
        check("node\u{a0}= 'x'", "line 1: there is an invisible character (U+00A0)");
        check("[[source]\nuri = '-'", "line 1: write `[[source]]`");
        check("[source]]\nuri = '-'", "line 1: write `[[source]]`");
        check("[[mqtt]\nurl = 'x'", "line 1: write `[mqtt]`");
        check("lost after_s = 5", "a key has no spaces; write `lost_after_s`");
        check("state_dir = \"C:\\genred\"", "put the text in single quotes");
        check("embedded_port = 01883", "write `embedded_port = 1883`");
        check("[[source]]\nformat = [rock, pop]", "line 2: write `format = [\"rock\", \"pop\"]`");
        check("[[source]]\nformat = ('rock')", "line 2: write `format = [\"rock\"]`");
        check("lost_after_s = 5s", "write the number alone: `lost_after_s = 5`");
        check("hop_s = 1.0 seconds", "write the number alone: `hop_s = 1.0`");
        check("hop_s = 1.0,", "write the number alone: `hop_s = 1.0`");
        check("hop_s 1.0", "line 1: write `hop_s = 1.0`");
        check("hop_s := 1.0", "line 1: write `hop_s = 1.0`");
        check("hop == 1", "line 1: ");
        check("---\nnode: x", "line 1: this is JSON or YAML");
        check("{\"node\": \"x\"}", "line 1: this is JSON or YAML");
        check("node = 'x'\rhop = 1.0\r", "save the file with the line ends LF or CRLF");
        check("hop_s = ", "line 1: column");
        check("hop_s = 1.0\nnode = 'a'\nhop_s = 2.0", "line 3: `hop_s` is there twice (line 1 has it, too)");
        check("[mqtt]\n[log]\n[mqtt]", "line 3: `mqtt` is there twice (line 1 has it, too)");
    }

    #[test]
    fn what_toml_allows_is_no_fault() {
        for text in [
            "a = 1\r\nb = 'x'\r\n",
            "\ta\t=\t1 # \u{201c}quoted\u{201d}",
            "a = '\u{201c}x\u{201d}'",
            "a = 1 # key: value",
        ] {
            Document::parse(text).unwrap();
        }
    }
}
