//! A trace in words.

use jiff::Timestamp;

use crate::sink::payload::trace::{Change, Choice, Published, Rule, Run, Source, StateEvidence, Trace};

/// Labels and states that are named.
const TOP: usize = 4;

/// One line, or several where it does not fit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// What it is about.
    pub heading: &'static str,
    /// What it says.
    pub text: String,
    /// Whether it is what one is to read first.
    pub stands_out: bool,
}

impl Row {
    /// A line among others.
    pub fn new(heading: &'static str, text: impl Into<String>) -> Self {
        Self { heading, text: text.into(), stands_out: false }
    }

    /// The line that answers.
    pub fn reason(text: impl Into<String>) -> Self {
        Self { heading: "→", text: text.into(), stands_out: true }
    }
}

/// What is published of a source.
pub fn now(source: &Source) -> String {
    match &source.published {
        Some(Published { genre, since, .. }) => format!("{genre} since {}", clock(*since)),
        None => "nothing yet".into(),
    }
}

/// A source before its first trace.
pub fn waiting(source: &Source) -> Vec<Row> {
    vec![Row::new("source", &*source.name), Row::reason(format!("says {}; waiting for a patch", now(source)))]
}

/// One change.
pub fn change(change: &Change) -> Row {
    Row::new("changed", format!("{}: {} → {}", clock(change.ts), change.from, change.to))
}

/// All numbers of a patch of `source`.
pub fn block(source: &str, trace: &Trace) -> Vec<Row> {
    let Trace { level, run, published, .. } = trace;
    let posteriors = trace.posteriors.iter().take(TOP).map(|p| format!("{} {:.2}", p.label, p.p));
    let posteriors: Vec<_> = posteriors.collect();
    let not_counted = if trace.weighed { "" } else { " (not counted)" };
    let mut rows = vec![
        Row::new("source", format!("{source}, patch {} at {}", trace.patch, clock(trace.ts))),
        Row::new("patch", posteriors.join(", ") + not_counted),
    ];
    if let Some(gate) = trace.gate {
        let (music, speech, noise) = (gate.music, gate.speech, gate.noise);
        rows.push(Row::new("gate", format!("music {music:.2}, speech {speech:.2}, noise {noise:.2}")));
    }
    let mut quiet = match level.quiet_s > 0.0 {
        true => format!("; quiet for {}, silence after {}", seconds(level.quiet_s), seconds(level.after)),
        false => String::new(),
    };
    for (what, lasted) in [("one pure tone", level.tone_s), ("the same again and again", level.repeated_s)] {
        if lasted >= 1.0 {
            quiet += &format!("; {what} for {}", seconds(lasted));
        }
    }
    let quiet_below = number(level.quiet_below.into());
    rows.push(Row::new("level", format!("{:.1} LUFS, quiet below {quiet_below}{quiet}", level.lufs_s)));
    if run.seconds > 0.0 {
        let named = run.states.iter().take(TOP).filter(|state| state.seconds > 0.0);
        let named: Vec<_> = named
            .map(|state| format!("{} {} ({:.2})", state.state, seconds(state.seconds), state.share))
            .collect();
        let (all, age) = (seconds(run.seconds), duration(run.age));
        rows.push(Row::new(
            "evidence",
            format!("{} of {all}, in {age} since the last change", named.join(", ")),
        ));
        rows.push(Row::new("change", change_in(run)));
    }
    let since = format!("{} since {}", published.genre, clock(published.since));
    let lasted = trace.ts.duration_since(published.since).as_secs_f64();
    let lasted = if lasted > 0.0 { format!(" ({})", duration(lasted)) } else { String::new() };
    rows.push(Row::new("says", since + &lasted));
    rows
}

fn change_in(run: &Run) -> String {
    let sum = format!("sum {} of {}", number(run.sum), seconds(run.change_seconds));
    let distance = match run.patch_distance {
        Some(distance) => format!(
            "; the patch is {distance:.2} away, more than {} speaks for a change",
            run.change_distance
        ),
        None => "; too little was heard to be unlike of".into(),
    };
    let changed = if run.changed { ": the sound changed" } else { "" };
    format!("{sum}{changed}{distance}")
}

/// The answer: why this is said, and when something else would be.
pub fn because(trace: &Trace) -> Row {
    let genre = &trace.published.genre;
    Row::reason(format!("says {genre} because {}{}{}", reason(trace), pending(trace), soon_silent(trace)))
}

fn reason(trace: &Trace) -> String {
    let Trace { level, published, .. } = trace;
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
            return format!("the same sound has come again and again for {}", seconds(level.repeated_s));
        }
        _ => {}
    }
    let Some(choice) = &trace.choice else {
        return match level.lufs_s < level.quiet_below {
            true => "all that it has heard since is too quiet to tell".into(),
            false => "nothing has been heard yet that it could tell by".into(),
        };
    };
    let candidate = &choice.candidate;
    match &trace.held {
        None => format!("{}; would say {candidate} {}", wanting(choice), once(choice)),
        Some(held) if !trace.settled => {
            let left = seconds(trace.carried_for.unwrap_or_default());
            let then = if held == candidate { "stay with" } else { "say" };
            format!(
                "it did before the sound changed {} ago, and since then {}; keeps to it for {left} more at most; would {then} {candidate} {}",
                duration(trace.run.age),
                wanting(choice),
                once(choice)
            )
        }
        Some(held) if choice.passes => passed(trace, choice, held),
        Some(held) if choice.rule == Rule::Replace => settled(choice),
        // The patch after it was chosen is judged by the other rule.
        Some(held) if held == candidate => format!("{held} leads"),
        Some(held) => format!(
            "hardly anything speaks for {held} any more, but {}; would say {candidate} {}",
            wanting(choice),
            once(choice)
        ),
    }
}

/// What the candidate lacks.
fn wanting(choice: &Choice) -> String {
    let Choice { candidate, against, ahead, needed, share, least, .. } = choice;
    match (ahead < needed, share < least) {
        (false, true) => {
            format!("{candidate}, which leads, has only {share:.2} of the evidence, and {least} is needed")
        }
        _ => format!(
            "{candidate} leads {against} by only {} of evidence, and {} is needed",
            seconds(*ahead),
            seconds(*needed)
        ),
    }
}

/// When it would have it.
fn once(choice: &Choice) -> String {
    let Choice { against, ahead, needed, share, least, .. } = choice;
    let mut conditions = Vec::new();
    if ahead < needed {
        conditions.push(format!("leads {against} by {} more", seconds(needed - ahead)));
    }
    if share < least {
        conditions.push(format!("has {least} of the evidence"));
    }
    format!("once it {}", conditions.join(" and "))
}

fn passed(trace: &Trace, choice: &Choice, held: &str) -> String {
    let Choice { candidate, against, ahead, needed, rule, .. } = choice;
    let what = match (rule, trace.run.changed, choice.held.as_deref() == Some(held)) {
        (Rule::Lead, _, true) => format!("it did before the sound changed, and again leads {against}"),
        (Rule::Lead, true, false) => format!("the sound has changed, and {candidate} leads {against} since"),
        _ => format!("{candidate} has come to lead {against}"),
    };
    let (ahead, needed) = (seconds(*ahead), seconds(*needed));
    format!(
        "{what} by {ahead} of evidence ({needed} needed); would say another when the sound changes, or that leads far enough"
    )
}

fn settled(choice: &Choice) -> String {
    let Choice { candidate, ahead, needed, share, least, .. } = choice;
    let needed_s = seconds(*needed);
    let with = if share < least { format!(" and has {least} of the evidence") } else { String::new() };
    if *ahead > 0.0 {
        format!(
            "it led when it was chosen, and {candidate} leads it by only {} of evidence, where {needed_s} would replace it; \
             would say {candidate} once it leads by {} more{with}, or soon after the sound changes",
            seconds(*ahead),
            seconds(needed - ahead)
        )
    } else {
        format!(
            "it has the most evidence, {} more than {candidate}; would say another soon after the sound changes, or without \
             that {candidate} once it leads by {needed_s}{with}",
            seconds(-ahead)
        )
    }
}

/// What is new and not decided about.
fn pending(trace: &Trace) -> String {
    let Run { sum, change_seconds, changed, waiting, .. } = trace.run;
    match (sum > 0.0 && !changed && waiting > 0.0, trace.posteriors.first()) {
        (true, Some(best)) => format!(
            "; the newest {} sound unlike that, {} first, and are a change once the sum is {} ({} now)",
            seconds(waiting),
            best.label,
            seconds(change_seconds),
            number(sum)
        ),
        _ => String::new(),
    }
}

fn soon_silent(trace: &Trace) -> String {
    let left = trace.level.after - trace.level.quiet_s;
    match trace.level.quiet_s > 0.0 && &*trace.published.state != "silence" {
        true => format!("; silence in {} if it stays as quiet", seconds(left.max(0.0))),
        false => String::new(),
    }
}

/// How one genre or state stands; `None` where there is none of that name.
pub fn about(genre: &str, trace: &Trace) -> Option<Row> {
    let states = &trace.run.states;
    let rank = states.iter().position(|state| &*state.state == genre)?;
    let StateEvidence { seconds: evidence, share, .. } = &states[rank];
    let mut text = match trace.posteriors.iter().position(|p| &*p.label == genre) {
        Some(at) => format!(
            "{genre}: {:.2} in this patch, {} of {}",
            trace.posteriors[at].p,
            at + 1,
            trace.posteriors.len()
        ),
        None => format!("{genre}: told by the gate"),
    };
    if trace.run.seconds > 0.0 {
        text +=
            &format!("; {} of evidence ({share:.2}), {} of {}", seconds(*evidence), rank + 1, states.len());
    }
    let Some(choice) = &trace.choice else { return Some(Row::new("about", text)) };
    if trace.held.as_deref() == Some(genre) {
        text += "; it is held";
        return Some(Row::new("about", text));
    }
    // What it must lead: the held one, else whichever is best but itself.
    let rival = match (choice.rule, &trace.held) {
        (Rule::Replace, Some(held)) => states.iter().find(|state| state.state == *held),
        _ => states.iter().find(|state| &*state.state != genre),
    };
    if let Some(rival) = rival {
        let behind = rival.seconds - evidence;
        let stands = if behind > 0.0 { "behind" } else { "ahead of" };
        text += &format!("; {} {stands} {}", seconds(behind.abs()), rival.state);
        text += &match choice.rule {
            Rule::Replace => {
                format!(", and must lead it by {}, or be ahead after a change", seconds(choice.needed))
            }
            Rule::Lead => format!(", and must lead it by {}", seconds(choice.needed)),
        };
    }
    Some(Row::new("about", text))
}

/// Time of day.
fn clock(time: Timestamp) -> String {
    format!("{}Z", time.strftime("%H:%M:%S"))
}

/// A number of seconds that is compared with others.
fn seconds(value: f64) -> String {
    format!("{} s", number(value))
}

/// To a hundredth below ten, to a tenth above, as short as that is.
fn number(value: f64) -> String {
    let scale = if value.abs() < 10.0 { 100.0 } else { 10.0 };
    // Adding zero takes the sign off a zero.
    format!("{}", (value * scale).round() / scale + 0.0)
}

/// How long something has lasted.
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
