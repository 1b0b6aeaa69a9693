//! Floor 1: from posteriors to what is published. Pure: no clock, no I/O.
//!
//! Time is the source's own, in seconds, as the patches carry it; so a recording that is
//! read as fast as possible is decided exactly as it would have been live.

mod config;
mod event;
mod hysteresis;
mod silence;
mod smoother;

use std::sync::Arc;

pub use config::{DecisionConfig, SilenceConfig};
pub use event::{Change, GatePosteriors, State, Verdict};

use hysteresis::Hysteresis;
use silence::Silence;
use smoother::Smoother;

/// What one patch showed.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// Time of the patch's end in the source, in seconds.
    pub time: f64,
    /// The head's posteriors, 0–1, one a label.
    pub posteriors: &'a [f32],
    /// Posteriors of the gate, where there is one.
    pub gate: Option<GatePosteriors>,
    /// Short-term loudness in LUFS.
    pub lufs_s: f32,
}

/// State and best label of one patch alone, as windows and offline verdicts carry it.
pub fn raw(
    posteriors: &[f32],
    gate: Option<GatePosteriors>,
    lufs_s: f32,
    silence: &SilenceConfig,
) -> Verdict {
    if lufs_s < silence.threshold_lufs {
        return Verdict::state(State::Silence);
    }
    if let Some(state @ (State::Speech | State::Noise)) = gate.map(GatePosteriors::state) {
        return Verdict::state(state);
    }
    best(posteriors).map_or(Verdict::state(State::Uncertain), |(label, p)| Verdict::music(label, p))
}

/// Decides what is published of one source.
#[derive(Debug)]
pub struct Decider {
    smoother: Smoother,
    hysteresis: Hysteresis,
    silence: Silence,
    verdict: Verdict,
    labels: Vec<Arc<str>>,
}

impl Decider {
    /// A decider that is `uncertain` so far.
    pub fn new(labels: &[Arc<str>], decision: &DecisionConfig, silence: &SilenceConfig) -> Self {
        Self {
            smoother: Smoother::new(labels.len(), decision.time_constant),
            hysteresis: Hysteresis::new(decision),
            silence: Silence::new(silence),
            verdict: Verdict::state(State::Uncertain),
            labels: labels.to_vec(),
        }
    }

    /// What is published now.
    pub fn verdict(&self) -> Verdict {
        self.verdict
    }

    /// The value of `genre` for a verdict: the label, or the state's name.
    pub fn genre(&self, verdict: Verdict) -> Arc<str> {
        verdict
            .label
            .and_then(|label| self.labels.get(label))
            .cloned()
            .unwrap_or_else(|| verdict.state.as_str().into())
    }

    /// Smoothed posteriors; empty before the first patch of music.
    pub fn smoothed(&self) -> &[f32] {
        self.smoother.values()
    }

    /// Whether the source counts as dead air.
    pub fn is_dead_air(&self) -> bool {
        self.verdict.state == State::Silence
    }

    /// Takes in one patch and returns what changed by it, in the order in which it is to be published.
    pub fn observe(&mut self, seen: Observation<'_>) -> Vec<Change> {
        let mut changes = self.recover();
        let silent = self.silence.update(seen.time, seen.lufs_s);
        if silent != (self.verdict.state == State::Silence) {
            changes.push(if silent { Change::DeadAirStarted } else { Change::DeadAirEnded });
        }
        let next = if silent {
            // What was heard before the silence says nothing about what comes after it.
            self.forget();
            Verdict::state(State::Silence)
        } else {
            if self.silence.is_loud(seen.lufs_s) {
                self.smoother.update(seen.time, seen.posteriors);
            }
            let smoothed = self.smoother.values();
            match self.hysteresis.update(seen.time, smoothed) {
                Some(label) => Verdict::music(label, smoothed.get(label).copied().unwrap_or_default()),
                None => Verdict::state(State::Uncertain),
            }
        };
        let (from, to) = (self.genre(self.verdict), self.genre(next));
        if from != to {
            changes.push(Change::Genre { from, to, confidence: next.confidence });
        }
        self.verdict = next;
        changes
    }

    /// Audio arrives again; nothing where it had not been lost.
    pub fn recover(&mut self) -> Vec<Change> {
        if self.verdict.state != State::Lost {
            return Vec::new();
        }
        self.verdict = Verdict::state(State::Uncertain);
        vec![Change::Recovered]
    }

    /// Audio stopped arriving.
    pub fn lose(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        match self.verdict.state {
            State::Lost => return changes,
            State::Silence => changes.push(Change::DeadAirEnded),
            _ => {}
        }
        changes.push(Change::Lost);
        self.forget();
        self.silence.reset();
        self.verdict = Verdict::state(State::Lost);
        changes
    }

    fn forget(&mut self) {
        self.smoother.reset();
        self.hysteresis.reset();
    }
}

/// Index and value of the largest finite posterior.
fn best(posteriors: &[f32]) -> Option<(usize, f32)> {
    posteriors
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, p)| p.is_finite())
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOUD: f32 = -20.0;

    fn decider() -> Decider {
        let labels: Vec<Arc<str>> = ["rock", "jazz"].map(Into::into).to_vec();
        let decision =
            DecisionConfig { time_constant: 4.0, enter: 0.5, leave: 0.35, margin: 0.2, min_dwell: 4.0 };
        Decider::new(&labels, &decision, &SilenceConfig { threshold_lufs: -60.0, after: 2.0 })
    }

    /// Feeds one patch a second and writes down what is published and what changed.
    fn script(decider: &mut Decider, from: f64, patches: &[([f32; 2], f32)]) -> Vec<String> {
        let mut log = Vec::new();
        for (index, (posteriors, lufs_s)) in patches.iter().enumerate() {
            let time = from + index as f64;
            let changes = decider.observe(Observation { time, posteriors, gate: None, lufs_s: *lufs_s });
            log.extend(changes.iter().map(|change| format!("{time}: {change}")));
        }
        log
    }

    #[test]
    fn a_lasting_change_is_published_once() {
        let mut decider = decider();
        let mut patches = vec![([0.9, 0.1], LOUD); 20];
        patches.extend([([0.1, 0.9], LOUD); 20]);
        let log = script(&mut decider, 0.0, &patches);
        assert_eq!(log.len(), 2, "{log:?}");
        assert_eq!(log[0], "0: genre uncertain → rock");
        assert!(log[1].ends_with("genre rock → jazz"), "{log:?}");
        // The average needs time to cross: not at once, and within two time constants.
        let at: f64 = log[1].split(':').next().unwrap().parse().unwrap();
        assert!((21.0..28.0).contains(&at), "{at}");
    }

    #[test]
    fn one_odd_patch_changes_nothing() {
        let mut decider = decider();
        let mut patches = vec![([0.9, 0.1], LOUD); 10];
        patches.push(([0.0, 1.0], LOUD));
        patches.extend([([0.9, 0.1], LOUD); 10]);
        assert_eq!(script(&mut decider, 0.0, &patches), ["0: genre uncertain → rock"]);
    }

    #[test]
    fn a_draw_is_uncertain_after_the_dwell() {
        let mut decider = decider();
        let mut patches = vec![([0.6, 0.4], LOUD); 5];
        patches.extend([([0.3, 0.3], LOUD); 20]);
        let log = script(&mut decider, 0.0, &patches);
        assert_eq!(log.len(), 2, "{log:?}");
        assert!(log[1].ends_with("genre rock → uncertain"), "{log:?}");
    }

    #[test]
    fn silence_must_last_and_ends_at_once() {
        let mut decider = decider();
        let mut patches = vec![([0.9, 0.1], LOUD); 5];
        patches.extend([([0.5, 0.5], -70.0); 5]);
        patches.extend([([0.9, 0.1], LOUD); 2]);
        assert_eq!(
            script(&mut decider, 0.0, &patches),
            [
                "0: genre uncertain → rock",
                "7: dead air started",
                "7: genre rock → silence",
                "10: dead air ended",
                "10: genre silence → rock",
            ]
        );
    }

    #[test]
    fn lost_and_recovered_are_no_genre_changes() {
        let mut decider = decider();
        script(&mut decider, 0.0, &[([0.9, 0.1], LOUD); 5]);
        assert_eq!(decider.lose(), [Change::Lost]);
        assert_eq!(decider.lose(), []);
        assert_eq!(&*decider.genre(decider.verdict()), "lost");
        assert_eq!(
            script(&mut decider, 60.0, &[([0.2, 0.8], LOUD)]),
            ["60: source recovered", "60: genre uncertain → jazz"]
        );
    }

    #[test]
    fn posteriors_that_are_not_numbers_do_no_harm() {
        let mut decider = decider();
        script(&mut decider, 0.0, &[([f32::NAN, f32::NAN], LOUD); 3]);
        assert_eq!(decider.verdict().state, State::Uncertain);
        script(&mut decider, 3.0, &[([0.9, 0.1], LOUD); 3]);
        assert_eq!(&*decider.genre(decider.verdict()), "rock");
        assert_eq!(raw(&[f32::NAN, 0.4], None, LOUD, &SilenceConfig::default()), Verdict::music(1, 0.4));
    }
}
