//! Replacement of `${NAME}` by environment variables.

use super::document::Document;
use super::explain::shown;
use super::fault::Fault;

/// Replaces `${NAME}` by `lookup(NAME)` in every string, and `$${` by `${`.
///
/// # Errors
/// A variable is not set.
pub(super) fn expand(
    document: &mut Document<'_>,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<(), Fault> {
    document.rewrite_strings(&|path, text| match text.contains("${") {
        true => expand_text(text, &shown(path), lookup).map(Some),
        false => Ok(None),
    })
}

/// Variable reference that cannot be replaced.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ExpandError {
    #[error("`{key}`: `${{` without `}}`; write `$${{` for the characters")]
    Unclosed { key: String },
    #[error("`{key}`: the environment variable `{name}` is not set")]
    Unset { key: String, name: String },
}

fn expand_text(
    text: &str,
    key: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
) -> Result<String, ExpandError> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        if let Some(before) = before.strip_suffix('$') {
            expanded.push_str(before);
            expanded.push_str("${");
            rest = after;
            continue;
        }
        let Some((name, after)) = after.split_once('}') else {
            return Err(ExpandError::Unclosed { key: key.into() });
        };
        let Some(value) = lookup(name) else {
            return Err(ExpandError::Unset { key: key.into(), name: name.into() });
        };
        expanded.push_str(before);
        expanded.push_str(&value);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw::read;

    #[test]
    fn variables_in_strings() {
        let lookup = |name: &str| (name == "PW").then(|| "s3\"cret$".to_owned());
        let check = |text: &str, expected: Result<&str, &str>| {
            let found = expand_text(text, "mqtt.password", &lookup).map_err(|error| error.to_string());
            match expected {
                Ok(value) => assert_eq!(found.as_deref(), Ok(value), "{text}"),
                Err(part) => {
                    assert!(found.as_ref().is_err_and(|error| error.contains(part)), "{text}: {found:?}")
                }
            }
        };
        check("plain $5", Ok("plain $5"));
        check("a${PW}b${PW}", Ok("as3\"cret$bs3\"cret$"));
        check("$${PW}", Ok("${PW}"));
        check("${NO}", Err("`mqtt.password`: the environment variable `NO` is not set"));
        check("${PW", Err("without `}`"));
    }

    #[test]
    fn every_string_of_the_tree_is_expanded() {
        let mut document = Document::parse("a = '${X}'\n[[b]]\nc = ['${X}']").unwrap();
        expand(&mut document, &|_| Some("y".into())).unwrap();
        let value: toml::Table = read(&document).unwrap();
        assert_eq!(value, toml::from_str("a = 'y'\n[[b]]\nc = ['y']").unwrap());
        let mut document = Document::parse("[[source]]\nuri = 'x'\nname = '${X}'").unwrap();
        let fault = expand(&mut document, &|_| None).unwrap_err().to_string();
        assert!(fault.starts_with("line 3: `name`: the environment variable `X`"), "{fault}");
    }
}
