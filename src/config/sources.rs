//! Validation and naming of `[[source]]`.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

use super::document::Document;
use super::fault::Fault;
use super::raw::RawSource;
#[cfg(feature = "clips")]
use crate::clip::ClipConfig;
use crate::decision::{DeadAirConfig, FormatMonitorConfig, SilenceConfig};
use crate::limits::{ConfigError, Limit};
use crate::sink::slug::topic_name;
use crate::source::{NEEDS_COMMAND, Pacing, SourceConfig, Uri, redact};

const LOST_AFTER_S: Limit = Limit::new("lost_after_s", 0.5, 86_400.0, "seconds");
const RECONNECT_MAX_S: Limit = Limit::new("reconnect_max_s", 1.0, 3600.0, "seconds");
const OFF_FORMAT_AFTER_S: Limit = Limit::new("off_format_after_s", 1.0, 86_400.0, "seconds");
const MAX_TALK_SHARE: Limit = Limit::new("max_talk_share", 0.001, 1.0, "(a share of an hour)");

/// One validated `[[source]]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceEntry {
    /// Origin and options of its audio.
    pub source: SourceConfig,
    /// Detection of silence.
    pub silence: SilenceConfig,
    /// Detection of other dead air.
    pub dead_air: DeadAirConfig,
    /// Enables the measurement of the true peak.
    pub true_peak: bool,
    /// Makes the daemon ready (`/ready`) only while this source is on air.
    pub required: bool,
    /// Expected genres, talk and balance.
    pub watch: FormatMonitorConfig,
    /// Time without audio until the source counts as lost.
    pub lost_after: Duration,
    /// Clips around events.
    #[cfg(feature = "clips")]
    pub clip: ClipConfig,
}

/// A validated source with its configured name.
struct NamedSource {
    entry: SourceEntry,
    /// Index in the file.
    index: usize,
    /// Configured name; `None` if the name is derived from the address.
    typed: Option<String>,
}

/// Validates and names sources. `document` is their file; `None` for sources of the command line.
///
/// # Errors
/// A source is invalid, or two have the same name.
pub(crate) fn resolve(
    raw: Vec<RawSource>,
    document: Option<&Document<'_>>,
) -> Result<Vec<SourceEntry>, Fault> {
    let line = |index: usize, key: &str| document?.line_of(&format!("source.{index}.{key}"));
    let fault = |index: usize, key: &str, message: String| match document {
        Some(_) => Fault::new(line(index, key), message),
        None => Fault::of_command_line(message),
    };
    let mut named = Vec::with_capacity(raw.len());
    for (index, source) in raw.into_iter().enumerate() {
        let label = label(&source);
        let typed = source.name.clone().or_else(|| source.display_name.clone());
        let entry = entry(source).map_err(|problem| {
            let SourceProblem { key, message } = problem;
            fault(index, &key, format!("source `{label}`: {message}"))
        })?;
        named.push(NamedSource { entry, index, typed });
    }
    let mut taken: HashMap<String, usize> = HashMap::new();
    for at in 0..named.len() {
        let Some(typed) = &named[at].typed else { continue };
        let Some(first) = taken.insert(named[at].entry.source.name.clone(), at) else { continue };
        let key = |of: usize| if named[of].typed.is_some() { "name" } else { "uri" };
        let other = named[first].typed.as_deref().unwrap_or_default();
        let location =
            line(named[first].index, key(first)).map(|line| format!(" (line {line})")).unwrap_or_default();
        let name = &named[at].entry.source.name;
        let message = if other == typed {
            format!(
                "two sources are called `{typed}`; the first{location} has that name already; names must differ"
            )
        } else {
            format!(
                "two sources are called `{name}` in topics: `{other}`{location} and `{typed}`; give one of them another `name`, \
                 and what people should read as `display_name`"
            )
        };
        return Err(fault(named[at].index, key(at), message));
    }
    number_derived(&mut named, taken.into_keys().collect());
    let entries: Vec<SourceEntry> = named.into_iter().map(|named| named.entry).collect();
    let readers: Vec<usize> =
        (0..entries.len()).filter(|at| matches!(entries[*at].source.uri, Uri::Stdin(_))).collect();
    if let [first, second, ..] = readers[..] {
        let location =
            line(first, "uri").map(|line| format!("; the first is on line {line}")).unwrap_or_default();
        let message = format!("{} sources read standard input; one can{location}", readers.len());
        return Err(fault(second, "uri", message));
    }
    Ok(entries)
}

/// Appends numbers to derived names that are taken: `song`, `song-2`, …
fn number_derived(named: &mut [NamedSource], mut taken: HashSet<String>) {
    for NamedSource { entry, .. } in named.iter_mut().filter(|named| named.typed.is_none()) {
        let SourceConfig { name, display_name, .. } = &mut entry.source;
        if taken.contains(name)
            && let Some((number, free)) =
                (2..).map(|n: u32| (n, format!("{name}-{n}"))).find(|(_, name)| !taken.contains(name))
        {
            *name = free;
            *display_name = format!("{display_name} {number}");
        }
        taken.insert(name.clone());
    }
}

/// Returns warnings about names that map to the same entity id in Home Assistant. Entity ids have
/// lower case and `_` only.
#[cfg(feature = "mqtt")]
pub(crate) fn same_entities(entries: &[SourceEntry]) -> Vec<String> {
    let mut first: HashMap<String, &str> = HashMap::new();
    let mut warnings = Vec::new();
    for entry in entries {
        let name = &entry.source.name;
        if let Some(other) = first.insert(name.to_ascii_lowercase().replace('-', "_"), name) {
            warnings.push(format!(
                "the sources `{other}` and `{name}` have the same entity ids in Home Assistant, which numbers those of one; give one of them another `name`"
            ));
        }
    }
    warnings
}

/// Error of one source, and the key that caused it.
struct SourceProblem {
    key: String,
    message: String,
}

impl From<ConfigError> for SourceProblem {
    fn from(error: ConfigError) -> Self {
        Self { message: error.to_string(), key: error.key }
    }
}

fn problem(key: &str, message: impl Into<String>) -> SourceProblem {
    SourceProblem { key: key.into(), message: message.into() }
}

/// Returns the name of a source in messages.
fn label(raw: &RawSource) -> String {
    let typed = raw.name.as_ref().or(raw.display_name.as_ref());
    typed.cloned().unwrap_or_else(|| match raw.uri.split_once("://") {
        // An invalid address may hold a secret anywhere.
        Some((scheme, _)) if Uri::parse(&raw.uri).is_err() => format!("{scheme}://…"),
        _ => redact(&raw.uri),
    })
}

fn entry(raw: RawSource) -> Result<SourceEntry, SourceProblem> {
    let mut uri = Uri::parse(&raw.uri).map_err(|error| problem("uri", error.to_string()))?;
    match (&mut uri, raw.command) {
        (Uri::Process(process), Some(command))
            if command.first().is_some_and(|program| !program.is_empty()) =>
        {
            process.command = command;
        }
        (Uri::Process(_), command) => {
            let key = if command.is_some() { "command" } else { "uri" };
            return Err(problem(key, format!("`uri = \"process:\"` {NEEDS_COMMAND}")));
        }
        (_, Some(_)) => return Err(problem("command", "`command` is for `uri = \"process:\"`")),
        _ => {}
    }
    raw.silence.validate()?;
    raw.dead_air.validate()?;
    raw.imbalance.validate()?;
    #[cfg(feature = "clips")]
    raw.clip.validate()?;
    LOST_AFTER_S.check(raw.lost_after_s)?;
    RECONNECT_MAX_S.check(raw.reconnect_max_s)?;
    OFF_FORMAT_AFTER_S.check(raw.off_format_after_s)?;
    MAX_TALK_SHARE.check(raw.max_talk_share.unwrap_or(1.0))?;
    if raw.repeat && !matches!(uri, Uri::File(_)) {
        return Err(problem("repeat", "`repeat` is for files"));
    }
    let (name, display_name) = names(raw.name, raw.display_name, &uri)?;
    let watch = FormatMonitorConfig {
        format: raw.format,
        off_format_after_s: raw.off_format_after_s,
        max_talk_share: raw.max_talk_share,
        imbalance: raw.imbalance,
    };
    let source = SourceConfig {
        display_name,
        name,
        uri,
        pacing: raw.pacing.unwrap_or(Pacing::Realtime),
        start: raw.start,
        repeat: raw.repeat,
        reconnect_max: Duration::from_secs_f64(raw.reconnect_max_s),
        min_read: Duration::ZERO,
    };
    Ok(SourceEntry {
        source,
        silence: raw.silence,
        dead_air: raw.dead_air,
        true_peak: raw.true_peak,
        required: raw.required,
        watch,
        lost_after: Duration::from_secs_f64(raw.lost_after_s),
        #[cfg(feature = "clips")]
        clip: raw.clip,
    })
}

/// Returns the name in topics and the display name. Each defaults to the other, and both to a name
/// derived from the address.
fn names(
    name: Option<String>,
    display: Option<String>,
    uri: &Uri,
) -> Result<(String, String), SourceProblem> {
    for (key, name) in [("name", &name), ("display_name", &display)] {
        let Some(name) = name else { continue };
        if name.trim().is_empty() {
            return Err(problem(key, format!("`{key}` is empty; leave it out, or give the source a name")));
        }
        if name.chars().any(char::is_control) {
            return Err(problem(key, format!("`{key}` holds a control character, such as a line break")));
        }
    }
    if let Some(name) = name.as_ref().filter(|name| name.contains("__")) {
        let message = format!(
            "`name` is `{name}`; a name in topics has letters, digits, `_` or `-`, and no `__`, which separates node and source"
        );
        return Err(problem("name", message));
    }
    let typed = name.clone().or_else(|| display.clone()).unwrap_or_else(|| derived(uri));
    let display = display.or(name).unwrap_or_else(|| typed.clone());
    Ok((topic_name(&typed, "source"), display.trim().to_owned()))
}

/// Derives a name from the address.
fn derived(uri: &Uri) -> String {
    let name = match uri {
        Uri::Device { name, .. } => name.clone(),
        Uri::File(path) => path.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
        Uri::Stdin(_) => "stdin".into(),
        Uri::Http(address) => address.label().to_owned(),
        Uri::Process(process) => {
            let program = process.command.first().and_then(|program| Path::new(program).file_name());
            program.unwrap_or_default().to_string_lossy().into_owned()
        }
    };
    if name.trim().is_empty() { "source".into() } else { name.replace(char::is_control, " ") }
}
