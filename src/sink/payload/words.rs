//! Wording of explanations.

use jiff::Timestamp;

use super::trace::{ChoicePayload, GenreChange, PublishedPayload, SoundPayload, TracePayload, TracedSource};

/// Probability of a change from which it is mentioned.
const MAY_CHANGE: f64 = 0.1;

/// Number of labels and states that are listed.
const TOP: usize = 4;

/// Line with a heading; wrapped if it does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TextRow {
    /// Heading.
    pub(crate) heading: &'static str,
    /// Text.
    pub(crate) text: String,
    /// True for the most important line.
    pub(crate) stands_out: bool,
}

impl TextRow {
    /// Ordinary line.
    pub(crate) fn new(heading: &'static str, text: impl Into<String>) -> Self {
        Self { heading, text: text.into(), stands_out: false }
    }

    /// Line with the reason.
    pub(crate) fn reason(text: impl Into<String>) -> Self {
        Self { heading: "→", text: text.into(), stands_out: true }
    }
}

/// Published genre of a source.
pub(crate) fn now(source: &TracedSource) -> String {
    match &source.published {
        Some(PublishedPayload { genre, since, .. }) => format!("{genre} since {}", clock(*since)),
        None => "nothing yet".into(),
    }
}

/// Rows of a source before its first patch.
pub(crate) fn waiting(source: &TracedSource) -> Vec<TextRow> {
    vec![
        TextRow::new("source", &*source.name),
        TextRow::reason(format!("says {}; waiting for a patch", now(source))),
    ]
}

/// Row of a change.
pub(crate) fn change(change: &GenreChange) -> TextRow {
    TextRow::new("changed", format!("{}: {} → {}", clock(change.ts), change.from, change.to))
}

/// Rows with all values of a patch of `source`.
pub(crate) fn block(source: &str, trace: &TracePayload) -> Vec<TextRow> {
    let TracePayload { level, sound, published, .. } = trace;
    let posteriors = trace.posteriors.iter().take(TOP).map(|p| format!("{} {:.2}", p.label, p.p));
    let posteriors: Vec<_> = posteriors.collect();
    let not_counted = if trace.weighed { "" } else { " (not counted)" };
    let mut rows = vec![
        TextRow::new("source", format!("{source}, patch {} at {}", trace.patch, clock(trace.ts))),
        TextRow::new("patch", posteriors.join(", ") + not_counted),
    ];
    if let Some(gate) = trace.gate {
        let (music, speech, noise) = (gate.music, gate.speech, gate.noise);
        rows.push(TextRow::new("gate", format!("music {music:.2}, speech {speech:.2}, noise {noise:.2}")));
    }
    let mut quiet = match level.quiet_s > 0.0 {
        true => format!("; quiet for {}, silence after {}", seconds(level.quiet_s), seconds(level.after)),
        false => String::new(),
    };
    for (what, lasted) in [("one pure tone", level.tone_s), ("repeated sound", level.repeated_s)] {
        if lasted >= 1.0 {
            quiet += &format!("; {what} for {}", seconds(lasted));
        }
    }
    let quiet_below = number(level.quiet_below.into());
    rows.push(TextRow::new("level", format!("{:.1} LUFS, quiet below {quiet_below}{quiet}", level.lufs_s)));
    if !sound.states.is_empty() {
        let named: Vec<_> = sound
            .states
            .iter()
            .take(TOP)
            .map(|state| format!("{} {:.2}", state.state, state.share))
            .collect();
        rows.push(TextRow::new("sound", format!("{} for {}", named.join(", "), duration(sound.age_s))));
        rows.push(TextRow::new("change", change_in(sound)));
    }
    let since = format!("{} since {}", published.genre, clock(published.since));
    let lasted = trace.ts.duration_since(published.since).as_secs_f64();
    let lasted = if lasted > 0.0 { format!(" ({})", duration(lasted)) } else { String::new() };
    rows.push(TextRow::new("says", since + &lasted));
    rows
}

fn change_in(sound: &SoundPayload) -> String {
    let changing = format!("{:.0} % likely since then", 100.0 * sound.changing);
    match sound.fit {
        Some(fit) => format!("{changing}; the patch fits the segment before it at {fit:.2}"),
        None => changing,
    }
}

/// Reason for the published genre, and condition for another.
pub(crate) fn because(trace: &TracePayload) -> TextRow {
    let genre = &trace.published.genre;
    TextRow::reason(format!(
        "says {genre} because {}{}{}",
        reason(trace),
        may_change(trace),
        soon_silent(trace)
    ))
}

fn reason(trace: &TracePayload) -> String {
    let TracePayload { level, published, .. } = trace;
    if &*published.state == "silence" {
        let (quiet, after) = (seconds(level.quiet_s), seconds(level.after));
        let (ends_at, lufs) = (number(level.quiet_below.into()), level.lufs_s);
        return format!(
            "it has been quiet for {quiet} ({after} needed); would say something else at {ends_at} LUFS, and has {lufs:.1}"
        );
    }
    match level.dead_air.as_deref() {
        Some("tone") => return format!("it has been one pure tone for {}", seconds(level.tone_s)),
        Some("loop") => {
            return format!("the same sound has repeated for {}", seconds(level.repeated_s));
        }
        _ => {}
    }
    let Some(choice) = &trace.choice else {
        return match level.lufs_s < level.quiet_below {
            true => "the sound is too quiet to count as evidence".into(),
            false => "no patch has counted as evidence yet".into(),
        };
    };
    let ChoicePayload { candidate, against, ahead, needed, .. } = choice;
    let (ahead, needed) = (share(*ahead), share(*needed));
    let missing = share(choice.needed - choice.ahead);
    let age = duration(trace.sound.age_s);
    let against = against.as_deref().unwrap_or("an even share of all");
    match (&trace.held, trace.kept_for_s) {
        (None, _) => format!(
            "of the present sound ({age}) {candidate} leads {against} by only {ahead}, and {needed} is needed; \
             would say {candidate} once it leads by {missing} more"
        ),
        (Some(_), Some(left)) => format!(
            "{candidate} leads it in the present sound ({age}) by only {ahead}, and {needed} is needed; would say \
             {candidate} once it leads by {missing} more, or gives it up after {}",
            seconds(left)
        ),
        (Some(_), None) if choice.passes => format!(
            "in the present sound ({age}) it leads {against} by {ahead} ({needed} needed); would say another once that \
             leads it by as much"
        ),
        (Some(_), None) => format!(
            "it has the largest share of the present sound ({age}), {} more than {candidate}; would say another once \
             that leads it by {needed}",
            share(-choice.ahead)
        ),
    }
}

/// Mention of a probable change.
fn may_change(trace: &TracePayload) -> String {
    match trace.posteriors.first() {
        Some(best) if trace.sound.changing >= MAY_CHANGE => format!(
            "; the newest seconds, {} first, are something else with a probability of {:.2}",
            best.label, trace.sound.changing
        ),
        _ => String::new(),
    }
}

fn soon_silent(trace: &TracePayload) -> String {
    let left = trace.level.after - trace.level.quiet_s;
    match trace.level.quiet_s > 0.0 && &*trace.published.state != "silence" {
        true => format!("; silence in {} if it stays as quiet", seconds(left.max(0.0))),
        false => String::new(),
    }
}

/// Row about one genre or state; `None` if there is none of that name.
pub(crate) fn about(genre: &str, trace: &TracePayload) -> Option<TextRow> {
    let states = &trace.sound.states;
    let rank = states.iter().position(|state| &*state.state == genre)?;
    let own = states[rank].share;
    let mut text = match trace.posteriors.iter().position(|p| &*p.label == genre) {
        Some(at) => format!(
            "{genre}: {:.2} in this patch, {} of {}",
            trace.posteriors[at].p,
            at + 1,
            trace.posteriors.len()
        ),
        None => format!("{genre}: from the gate"),
    };
    text += &format!("; {own:.2} of the present sound, {} of {}", rank + 1, states.len());
    let Some(choice) = &trace.choice else { return Some(TextRow::new("about", text)) };
    if trace.held.as_deref() == Some(genre) {
        text += "; it is held";
        return Some(TextRow::new("about", text));
    }
    // The state must lead the held one, or an even share of all.
    let held = trace.held.as_ref().and_then(|held| states.iter().find(|state| state.state == *held));
    let (rival, of_rival) =
        held.map_or(("an even share of all", 1.0 / states.len() as f64), |held| (&*held.state, held.share));
    let behind = of_rival - own;
    let stands = if behind > 0.0 { "behind" } else { "ahead of" };
    text +=
        &format!("; {} {stands} {rival}, and must lead it by {}", share(behind.abs()), share(choice.needed));
    Some(TextRow::new("about", text))
}

/// Refusal of a genre that the model does not have; `similar` is one that it has.
pub(crate) fn unknown_genre(genre: &str, similar: Option<&str>, trace: &TracePayload) -> String {
    let names: Vec<_> = trace.sound.states.iter().map(|state| format!("`{}`", state.state)).collect();
    let names = names.join(", ");
    match similar {
        Some(name) => format!("the model has no genre `{genre}`; did you mean `{name}`? It has: {names}"),
        None => format!("the model has no genre `{genre}`. It has: {names}"),
    }
}

/// A difference of shares, to a hundredth.
fn share(value: f64) -> String {
    format!("{:.2}", value + 0.0)
}

/// Time of day.
fn clock(time: Timestamp) -> String {
    format!("{}Z", time.strftime("%H:%M:%S"))
}

/// Number of seconds, for comparison with others.
fn seconds(value: f64) -> String {
    format!("{} s", number(value))
}

/// Number with two decimals below ten and one above, without trailing zeros.
fn number(value: f64) -> String {
    let scale = if value.abs() < 10.0 { 100.0 } else { 10.0 };
    // Adding zero takes the sign off a zero.
    format!("{}", (value * scale).round() / scale + 0.0)
}

/// Duration in hours, minutes and seconds.
fn duration(value: f64) -> String {
    let whole = value.max(0.0).round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests;
