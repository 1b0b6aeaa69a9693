//! Messages about unknown keys and values of the wrong type, in the terms of TOML.

use toml::de::DeValue;

use super::document::Document;
use super::fault::Fault;
use super::syntax::may_hold_secret;
use crate::decision::DecisionConfig;
use crate::source::redact;

/// Headers, each with keys that are often written under another one.
const SECTION_OF_KEYS: &[(&str, &[&str])] = &[
    (
        "[[source]]",
        &[
            "name",
            "display_name",
            "uri",
            "command",
            "pacing",
            "lost_after_s",
            "format",
            "off_format_after_s",
            "max_talk_share",
            "true_peak",
            "required",
        ],
    ),
    ("[source.silence]", &["silence", "threshold_lufs"]),
    ("[source.dead_air]", &["dead_air", "loop_after_s", "tone_after_s"]),
    ("[source.imbalance]", &["imbalance", "threshold_db"]),
    ("[source.clip]", &["clip", "pre_roll_s", "post_roll_s", "events", "max_age_days", "folder"]),
    (
        "[mqtt]",
        &[
            "url",
            "broker",
            "host",
            "username",
            "password",
            "password_file",
            "prefix",
            "discovery",
            "heartbeat_s",
        ],
    ),
    ("[model]", &["bundle", "head", "execution_providers", "threads", "onnxruntime"]),
    ("[log]", &["retention_days"]),
    ("[corrections]", &["max_mb"]),
    ("[web]", &["bind", "token_file", "tls_cert", "tls_key", "public_url", "base_path", "stream_urls"]),
];

/// Keys of other programs, each with the equivalent key.
const ALIASES: &[(&[&str], &str)] = &[
    (&["host", "port", "broker", "server", "address", "hostname"], "url"),
    (&["user", "login"], "username"),
    (&["pass", "pw"], "password"),
    (&["topic", "base_topic", "topic_prefix"], "prefix"),
    (&["url", "file", "path", "input", "device", "stream", "address"], "uri"),
    (&["title", "label", "friendly_name"], "display_name"),
    (&["id", "slug"], "name"),
    (&["cmd", "exec", "program", "args"], "command"),
    (&["genres", "genre"], "format"),
    (&["client_id", "name", "id"], "node"),
];

/// Former keys by section, each with the key that replaced it.
const RENAMED: &[(&str, &[(&str, &str)])] = &[
    ("", &[("hop", "hop_s"), ("output_windows", "output_patches")]),
    ("[model]", &[("run_seconds", "min_run_s")]),
    (
        "[mqtt]",
        &[
            ("heartbeat", "heartbeat_s"),
            ("reconnect_max", "reconnect_max_s"),
            ("windows", "publish_patches"),
            ("window_qos", "patch_qos"),
            ("outbox_max", "outbox_max_events"),
        ],
    ),
    (
        "[[source]]",
        &[
            ("lost_after", "lost_after_s"),
            ("reconnect_max", "reconnect_max_s"),
            ("off_format_after", "off_format_after_s"),
            ("talk_limit", "max_talk_share"),
        ],
    ),
    ("[source.silence]", &[("after", "after_s")]),
    ("[source.dead_air]", &[("loop_after", "loop_after_s"), ("tone_after", "tone_after_s")]),
    ("[source.imbalance]", &[("after", "after_s")]),
];

/// Returns the key that replaced the former key `key` of `section`.
fn renamed(section: &str, key: &str) -> Option<&'static str> {
    if section == "[decision]" {
        return DecisionConfig::renamed(key);
    }
    let (_, keys) = RENAMED.iter().find(|(header, _)| *header == section)?;
    keys.iter().find(|(former, _)| *former == key).map(|(_, now)| *now)
}

/// Converts an error of serde about `document` to a fault.
pub(crate) fn explain(document: &Document<'_>, error: &toml::de::Error) -> Fault {
    let message = error.message();
    let Some(span) = error.span() else { return Fault::new(None, message) };
    let line = document.line_at(span.start);
    let found = document.at(span.start);
    let path = found.as_ref().map_or("", |(path, _)| path.as_str());
    if let Some(rest) = message.strip_prefix("unknown field ") {
        return Fault::at_line(line, unknown_key(rest, path));
    }
    if let Some(rest) = message.strip_prefix("missing field ") {
        return Fault::at_line(line, missing_key(rest, path));
    }
    let what = match (message.strip_prefix("invalid type: "), &found) {
        (Some(rest), Some((path, value))) => wrong_type(rest, path, value.get_ref()),
        _ => message.strip_prefix("invalid value: ").and_then(|rest| out_of_range(rest, path)),
    };
    let what = what.unwrap_or_else(|| match path {
        "" => message.to_owned(),
        // The message may quote the value.
        _ if may_hold_secret(path) => format!("`{}` has a value that cannot be used", shown(path)),
        _ => format!("`{}`: {}", shown(path), with_nearest(message)),
    });
    Fault::at_line(line, what)
}

/// Rejects `[source]` in place of `[[source]]`, and `[[mqtt]]` in place of `[mqtt]`. Serde would
/// read the tables of the array as fields of the section.
///
/// # Errors
/// The first such section.
pub(crate) fn check_sections(document: &Document<'_>) -> Result<(), Fault> {
    document.each(&mut |path, offset, value| {
        if path == "source" && !matches!(value.get_ref(), DeValue::Array(_)) {
            return Err(Fault::at_line(
                document.line_at(offset),
                format!(
                    "`source` must be an array of tables, not {}; write `[[source]]`, with two brackets, before each source",
                    type_name(value.get_ref())
                ),
            ));
        }
        let header = match path.split('.').collect::<Vec<_>>()[..] {
            [section @ ("model" | "decision" | "mqtt" | "log" | "corrections" | "web")] => section.to_owned(),
            ["source", _, section @ ("silence" | "dead_air" | "imbalance")] => format!("source.{section}"),
            _ => return Ok(()),
        };
        match value.get_ref() {
            DeValue::Array(_) => Err(Fault::at_line(
                document.line_at(offset),
                format!("`{header}` must be a table, not an array; write `[{header}]`"),
            )),
            _ => Ok(()),
        }
    })
}

/// Returns a path as written in the file: `silence.after_s` for `source.0.silence.after_s`.
pub(crate) fn shown(path: &str) -> String {
    let mut keys: Vec<&str> = path.split('.').collect();
    if let ["source", index, _, ..] = keys[..]
        && index.bytes().all(|byte| byte.is_ascii_digit())
    {
        keys.drain(..2);
    }
    keys.retain(|key| !key.bytes().all(|byte| byte.is_ascii_digit()));
    keys.join(".")
}

fn last(path: &str) -> &str {
    path.rsplit('.').find(|key| !key.bytes().all(|byte| byte.is_ascii_digit())).unwrap_or(path)
}

/// Returns the name most similar to `typed`; `None` if none is similar.
pub(crate) fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    names
        .map(|name| (strsim::damerau_levenshtein(&typed, &name.to_lowercase()), name))
        .min()
        .filter(|(distance, name)| {
            *distance <= 1 + typed.chars().count() / 4 || name.to_lowercase().starts_with(&typed)
        })
        .map(|(_, name)| name)
}

/// Returns the message about an unknown key. `rest` is "`hops`, expected one of `node`, `hop_s`".
fn unknown_key(rest: &str, path: &str) -> String {
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let unknown = quoted.next().unwrap_or_default();
    let section = section_of(path);
    let known: Vec<&str> = quoted.collect();
    if known.contains(&"source") && matches!(unknown, "sources" | "Source" | "Sources") {
        return format!(
            "unknown key `{unknown}`; did you mean `source`? Write `[[source]]` before each source"
        );
    }
    let section_of_key = SECTION_OF_KEYS
        .iter()
        .find(|(header, keys)| *header != section && keys.contains(&unknown))
        .map(|(header, _)| *header);
    if let Some(now) = renamed(&section, unknown) {
        let location = if section.is_empty() { String::new() } else { format!(" in `{section}`") };
        return format!("unknown key `{unknown}`{location}; it is called `{now}` now");
    }
    let alias = ALIASES.iter().find(|(names, key)| names.contains(&unknown) && known.contains(key));
    let close = alias.map(|(_, key)| *key).or_else(|| nearest(unknown, known.iter().copied()));
    let advice = match (close, section_of_key) {
        // The key exists in another section.
        (Some(close), Some(header)) if !close.eq_ignore_ascii_case(unknown) => {
            format!("; it belongs under `{header}`, or did you mean `{close}`?")
        }
        (Some(close), _) => format!("; did you mean `{close}`?"),
        (None, Some(header)) => format!("; it belongs under `{header}`"),
        (None, None) => format!("; known are `{}`", known.join("`, `")),
    };
    let location = if section.is_empty() { String::new() } else { format!(" in `{section}`") };
    format!("unknown key `{unknown}`{location}{advice}")
}

/// Returns the header of the table with the key `path`; empty for the root.
fn section_of(path: &str) -> String {
    let keys: Vec<&str> = path.split('.').collect();
    match keys[..] {
        [] | [_] => String::new(),
        ["source", _, _] => "[[source]]".into(),
        ["source", _, section, ..] => format!("[source.{section}]"),
        [section, ..] => format!("[{section}]"),
    }
}

fn missing_key(rest: &str, path: &str) -> String {
    let key = rest.trim_matches('`');
    match (path.split('.').next(), key) {
        (Some("source"), "uri") => {
            "a `[[source]]` without `uri`; write, for example, `uri = \"device:default\"`".into()
        }
        _ => format!("`{key}` is missing in `{}`", shown(path)),
    }
}

/// Returns the message about a value of the wrong type. `rest` is "string \"rock\", expected a
/// sequence".
fn wrong_type(rest: &str, path: &str, value: &DeValue<'_>) -> Option<String> {
    let (_, expected) = rest.rsplit_once(", expected ")?;
    let (name, key) = (shown(path), last(path));
    let found = type_name(value);
    let is_integer = |text: &str| {
        text.starts_with(['u', 'i']) && text[1..].parse::<u32>().is_ok() || matches!(text, "usize" | "isize")
    };
    let (expected, advice) = match expected {
        "a sequence" => ("an array", array_advice(path, value)),
        "f32" | "f64" => ("a number", number_advice(value).map(|number| format!("{key} = {number}"))),
        "a boolean" => ("a boolean", boolean_advice(value).map(|boolean| format!("{key} = {boolean}"))),
        text if is_integer(text) => {
            ("an integer", integer_advice(value).map(|number| format!("{key} = {number}")))
        }
        text if text.contains("string") => ("a string", string_advice(key, value)),
        text if text.starts_with("struct") => ("a table", table_advice(path, value)),
        _ => return None,
    };
    let advice = advice.map_or_else(|| format!("write {expected}"), |line| format!("write `{line}`"));
    Some(format!("`{name}` must be {expected}, not {found}; {advice}"))
}

fn type_name(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date-time",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}

/// Returns the message about an integer out of range. `rest` is "integer `70000`, expected u16".
fn out_of_range(rest: &str, path: &str) -> Option<String> {
    let (value, expected) = rest.strip_prefix("integer `")?.split_once("`, expected ")?;
    let most = match expected {
        "u8" => u8::MAX.into(),
        "u16" => u16::MAX.into(),
        "u32" => u32::MAX.into(),
        "usize" | "u64" => u64::MAX,
        _ => return None,
    };
    Some(format!("`{}` is {value}, not 0 to {most}", shown(path)))
}

fn array_advice(path: &str, value: &DeValue<'_>) -> Option<String> {
    let key = last(path);
    match value {
        _ if path == "source" => Some("[[source]]".into()),
        DeValue::String(_) if may_hold_secret(key) => None,
        DeValue::String(text) if key == "command" => {
            // Arguments may hold secrets.
            let words: Vec<String> =
                redact(text).split_whitespace().map(|word| format!("{word:?}")).collect();
            Some(format!("command = [{}]", words.join(", ")))
        }
        DeValue::String(text) if text.contains(',') => {
            let words: Vec<String> = text.split(',').map(|word| format!("{:?}", word.trim())).collect();
            Some(format!("{key} = [{}]", words.join(", ")))
        }
        DeValue::String(text) => Some(format!("{key} = [{:?}]", text)),
        _ => None,
    }
}

fn number_advice(value: &DeValue<'_>) -> Option<String> {
    let text = value.as_str()?.trim().replace(',', ".");
    // `5s`, `-60 LUFS`
    let number = text.trim_end_matches(|c: char| c.is_alphabetic() || c == '%').trim_end();
    number.parse::<f64>().is_ok().then(|| number.to_owned())
}

fn integer_advice(value: &DeValue<'_>) -> Option<String> {
    let number: f64 = match value {
        DeValue::String(text) => text.trim().parse().ok()?,
        DeValue::Float(float) => float.as_str().parse().ok()?,
        _ => return None,
    };
    (number >= 0.0 && number.fract() == 0.0 && number < 1e15).then(|| format!("{number}"))
}

fn boolean_advice(value: &DeValue<'_>) -> Option<bool> {
    let text = match value {
        DeValue::String(text) => text.trim().to_ascii_lowercase(),
        DeValue::Integer(number) => number.as_str().to_owned(),
        _ => return None,
    };
    match text.as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn string_advice(key: &str, value: &DeValue<'_>) -> Option<String> {
    let text = match value {
        _ if may_hold_secret(key) => "…".to_owned(),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.as_str().to_owned(),
        DeValue::Boolean(boolean) => boolean.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(array) if array.len() == 1 => redact(array[0].get_ref().as_str()?),
        _ => return None,
    };
    Some(format!("{key} = \"{text}\""))
}

fn table_advice(path: &str, value: &DeValue<'_>) -> Option<String> {
    let name = shown(path);
    match value {
        _ if name == "source" => Some("[[source]]".into()),
        _ if path.starts_with("source.") => Some(format!("[source.{name}]")),
        DeValue::Integer(_) | DeValue::String(_) | DeValue::Boolean(_) if path == name => {
            Some(format!("[{name}]"))
        }
        _ => None,
    }
}

/// Appends the most similar one of the variants that `message` lists.
fn with_nearest(message: &str) -> String {
    let Some(rest) = message.strip_prefix("unknown variant ") else { return message.to_owned() };
    let mut quoted = rest.split('`').skip(1).step_by(2);
    let typed = quoted.next().unwrap_or_default();
    match nearest(typed, quoted) {
        Some(close) => format!("{message}; did you mean `{close}`?"),
        None => message.to_owned(),
    }
}
