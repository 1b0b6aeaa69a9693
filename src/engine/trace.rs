//! What `genred why` reads: the socket, and what is shown of a patch, put together from what decided.

use std::sync::Arc;

use crossbeam_channel::Sender;
use jiff::Timestamp;
use tokio::runtime::Handle;

use crate::audio::Patch;
use crate::config::Config;
use crate::decision::{Decider, GatePosteriors, SourceTime};
use crate::sink::Request;
use crate::sink::payload::LabelP;
use crate::sink::payload::trace::{Choice, Gate, Level, Published, Sound, StateShare, Trace};
use crate::sink::trace::{Socket, SocketError, TraceSink};

/// Daemons of one name that are told apart by a number.
const MOST_NAMES: usize = 99;

/// The sink with its socket, for the daemon `node`; the daemon does without where it cannot be had. Where the name was not
/// configured and is another's, it is numbered. Commands of its clients go to `ask`.
pub fn sink(
    config: &Config,
    run_id: &Arc<str>,
    node: &str,
    runtime: &Handle,
    ask: Sender<Request>,
) -> Option<TraceSink> {
    let numbers = if config.node_is_fixed { 1 } else { MOST_NAMES };
    for number in 1..=numbers {
        let name = if number == 1 { node.to_owned() } else { format!("{node}-{number}") };
        match runtime.block_on(Socket::open(&config.runtime_dir, &name)) {
            Ok(socket) => {
                let names = config.sources.iter().map(|entry| {
                    (entry.source.name.as_str().into(), entry.source.display_name.as_str().into())
                });
                let sink = TraceSink::new(socket, run_id.clone(), name.into(), names.collect());
                return Some(sink.asks(ask));
            }
            Err(SocketError::Taken { .. }) if number < numbers => {}
            Err(error) => {
                tracing::warn!("`genred why` cannot reach this daemon: {error}");
                break;
            }
        }
    }
    None
}

/// How a source stands after `patch`, which `decider` has seen; `since` is when the published genre began.
pub fn compose(
    decider: &Decider,
    patch: &Patch,
    posteriors: Vec<LabelP>,
    gate: Option<GatePosteriors>,
    since: Timestamp,
) -> Trace {
    let seen = decider.explain(SourceTime(patch.span.end));
    let name = |state| decider.state_name(state);
    let verdict = decider.verdict();
    let state =
        |of: crate::decision::trace::RankedShare| StateShare { state: name(of.state), share: of.share };
    Trace {
        ts: patch.ends_at,
        patch: patch.index,
        start: patch.span.start,
        end: patch.span.end,
        posteriors,
        gate: gate
            .map(|GatePosteriors { music, speech, noise }| Gate { music, speech, noise })
            .filter(|gate| [gate.music, gate.speech, gate.noise].iter().all(|p| p.is_finite())),
        level: Level {
            lufs_s: patch.level.lufs_s,
            quiet_below: seen.level.quiet_below,
            quiet_s: seen.level.quiet.0,
            after: seen.level.after.0,
            dead_air: seen.level.dead_air.map(|by| by.as_str().into()),
            tone_s: patch.level.tone_s.into(),
            repeated_s: patch.level.repeated_s.into(),
        },
        weighed: seen.weighed,
        sound: Sound {
            age_s: seen.segment.age.0,
            fit: seen.segment.fit,
            changing: seen.segment.changing,
            states: seen.segment.states.into_iter().map(state).collect(),
        },
        choice: seen.comparison.map(|judged| Choice {
            held: judged.held.map(name),
            candidate: name(judged.candidate),
            against: judged.against.map(name),
            ahead: judged.ahead,
            needed: judged.needed,
            passes: judged.passes,
        }),
        held: seen.held.map(name),
        kept_for_s: seen.kept_for.map(|left| left.0),
        published: Published {
            state: verdict.state.as_str().into(),
            genre: decider.genre(verdict),
            confidence: verdict.confidence,
            since,
        },
    }
}
