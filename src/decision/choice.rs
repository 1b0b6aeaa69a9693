//! Which state is published.

use super::config::DecisionConfig;
use super::evidence::Evidence;
use super::trace::{Rule, Standing};

/// A step that is shorter counts as this long, in units.
const LEAST_STEP: f64 = 0.125;

/// Noise must lead by so many times as much: what begins a piece is often taken for it, and a label that comes late is better than
/// a wrong word first.
const NOISE_LEAD: f64 = 8.0;

/// What has so small a share of its run's evidence was chosen by a patch or two of something else.
const UNLIKELY: f64 = 0.05;

/// A label that has stood for so many seconds is not given up in a new run unless another leads by `clear`; one that has stood
/// for half as long, by half of it.
const STOOD: f64 = 90.0;

/// In a run that goes on after an interruption another label replaces the held one by this much evidence, if not by less: what goes
/// back and forth is not told from what changes by its distance alone.
const REPLACE_INTERRUPTED: f64 = 20.0;

/// In hindsight, another state must lead what the same run was before by this part of the evidence.
const SAME_RUN: f64 = 0.1;

/// Holds a state until the evidence for another leads by enough.
#[derive(Debug)]
pub struct Choice {
    lead: f64,
    clear: f64,
    replace: f64,
    carry: f64,
    least: f64,
    held: Option<usize>,
    /// For how many seconds.
    held_for: f64,
    /// Whether `held` was chosen by the present run.
    settled: bool,
    judged: Option<Standing>,
}

impl Choice {
    /// One that holds nothing.
    pub fn new(config: &DecisionConfig) -> Self {
        let DecisionConfig { lead, clear, replace, carry, least, .. } = *config;
        Self { lead, clear, replace, carry, least, held: None, held_for: 0.0, settled: false, judged: None }
    }

    /// Goes on with other thresholds.
    pub fn configure(&mut self, config: &DecisionConfig) {
        *self = Self { held: self.held, held_for: self.held_for, settled: self.settled, ..Self::new(config) };
    }

    /// The state that is held.
    pub fn held(&self) -> Option<usize> {
        self.held
    }

    /// Whether [`held`](Self::held) was chosen by the present run, and not by the one before.
    pub fn settled(&self) -> bool {
        self.settled
    }

    /// How it stood when it was last decided.
    pub fn judged(&self) -> Option<Standing> {
        self.judged
    }

    /// How much longer, in seconds, what the run before chose is held at an age of `age`; `None` where nothing is.
    pub fn carried_for(&self, age: f64) -> Option<f64> {
        (self.held.is_some() && !self.settled).then(|| (self.carry - age).max(0.0))
    }

    /// Decides by the evidence of the present run, which has lasted `age` seconds, the newest `seconds` of them since it was last
    /// decided; `changed` where it is new, `step` units away from the one before, or `None` where it is one with what interrupted it.
    pub fn update(&mut self, evidence: &Evidence, age: f64, seconds: f64, changed: bool, step: Option<f64>) {
        self.settled &= !changed;
        self.held_for += seconds;
        let standing = self.stand(evidence, age, step);
        let held = self.held;
        if standing.passes {
            self.held = Some(standing.candidate);
            self.settled = true;
        } else if !self.settled && age >= self.carry {
            self.held = None;
        }
        if held != self.held {
            self.held_for = 0.0;
        }
        self.judged = Some(standing);
    }

    /// Which state may be held next, what it must lead, and by how much.
    fn stand(&self, evidence: &Evidence, age: f64, step: Option<f64>) -> Standing {
        let (best, next) = evidence.best_two();
        let noise = evidence.noise();
        let replace = if step.is_some() { self.replace } else { self.replace.min(REPLACE_INTERRUPTED) };
        let (rule, candidate, against, needed) = match self.held {
            // Noise is no rival of what is played after it, and neither is what hardly anything speaks for.
            Some(held)
                if self.settled && held != best && (held == noise || evidence.share(held) < UNLIKELY) =>
            {
                (Rule::Lead, best, next, self.lead)
            }
            Some(held) if self.settled => {
                (Rule::Replace, if held == best { next } else { best }, held, replace)
            }
            // What sounds much as before is more likely the same piece: another label must lead for longer.
            Some(held) if held != best => {
                (Rule::Lead, best, next, self.lead / step.unwrap_or(1.0).clamp(LEAST_STEP, 1.0))
            }
            _ => (Rule::Lead, best, next, self.lead),
        };
        let needed = if rule == Rule::Lead && candidate == noise { NOISE_LEAD * needed } else { needed };
        let needed = if !self.settled && self.held.is_some_and(|held| held != best) {
            needed.max(self.clearly(age) * evidence.seconds())
        } else {
            needed
        };
        let (ahead, share) = (evidence.of(candidate) - evidence.of(against), evidence.share(candidate));
        let passes = candidate == best && share >= self.least && ahead >= needed;
        Standing {
            rule,
            held: self.held,
            candidate,
            against,
            ahead,
            needed,
            share,
            least: self.least,
            passes,
        }
    }

    /// By what share of the evidence another label must lead at an age of `age`: music changes for a few bars, and begins with
    /// what it does not go on with, so what has been right for long is not given up at the first sign.
    fn clearly(&self, age: f64) -> f64 {
        let stood = ((self.held_for - age) / STOOD).clamp(0.0, 1.0);
        self.clear * stood * if age < self.carry { 1.0 - age / self.carry } else { 0.0 }
    }

    /// What a stretch was by all of its evidence. `before`: the state of the stretch before it, and whether that was part of the
    /// same run; it stays where no other leads, as long as it is likely enough, and else for `carry` seconds.
    pub fn in_hindsight(&self, evidence: &Evidence, before: Option<(usize, bool)>) -> Option<usize> {
        let (best, next) = evidence.best_two();
        let kept = before
            .filter(|(before, _)| evidence.seconds() < self.carry || evidence.share(*before) >= self.least);
        if let Some((before, true)) = kept
            && evidence.of(best) - evidence.of(before) < SAME_RUN * evidence.seconds()
        {
            return Some(before);
        }
        let needed = if best == evidence.noise() { NOISE_LEAD * self.lead } else { self.lead };
        let passes = evidence.seconds() > 0.0
            && evidence.share(best) >= self.least
            && evidence.of(best) - evidence.of(next) >= needed;
        if passes { Some(best) } else { kept.map(|(before, _)| before) }
    }

    /// Holds nothing, as if new.
    pub fn reset(&mut self) {
        self.held = None;
        self.held_for = 0.0;
        self.settled = false;
        self.judged = None;
    }
}

#[cfg(test)]
mod tests {
    use super::super::evidence::Shares;
    use super::*;

    /// So many seconds of each label, in patches that are sure of it.
    fn sure<const LABELS: usize>(seconds: [f64; LABELS]) -> Evidence {
        let mut evidence = Evidence::new(LABELS);
        for (label, seconds) in seconds.into_iter().enumerate() {
            let mut shares = Shares::new(LABELS);
            let mut posteriors = [0.0; LABELS];
            posteriors[label] = 1.0;
            assert!(shares.set(&posteriors, None));
            evidence.add(&shares, seconds);
        }
        evidence
    }

    #[test]
    fn in_a_run_that_was_interrupted_a_label_is_replaced_sooner() {
        let held_after = |lead: f64, step: Option<f64>, replace: f64| {
            let mut choice = Choice::new(&DecisionConfig { replace, ..DecisionConfig::default() });
            choice.update(&sure([20.0, 0.0]), 20.0, 1.0, false, step);
            assert_eq!(choice.held(), Some(0));
            choice.update(&sure([20.0, 20.0 + lead]), 40.0 + lead, 1.0, false, step);
            choice.held()
        };
        assert_eq!(held_after(149.0, Some(1.0), 150.0), Some(0));
        assert_eq!(held_after(151.0, Some(1.0), 150.0), Some(1));
        assert_eq!(held_after(19.0, None, 150.0), Some(0));
        assert_eq!(held_after(21.0, None, 150.0), Some(1));
        assert_eq!(held_after(11.0, None, 10.0), Some(1), "never later than what is set");
    }

    #[test]
    fn each_rule_alone() {
        let config = DecisionConfig {
            lead: 2.0,
            clear: 0.0,
            replace: 10.0,
            carry: 30.0,
            least: 0.3,
            ..DecisionConfig::default()
        };
        let mut choice = Choice::new(&config);
        // (seconds for each label, age, whether the run is new, step, held): each line shows one rule.
        for (seconds, age, changed, step, expected) in [
            ([1.5, 0.5, 0.0, 0.0], 2.0, true, 1.0, None), // leads by less than `lead`
            ([3.0, 1.0, 0.0, 0.0], 4.0, false, 1.0, Some(0)), // leads
            ([3.0, 12.0, 0.0, 0.0], 15.0, false, 1.0, Some(0)), // led by less than `replace`
            ([3.0, 13.0, 0.0, 0.0], 16.0, false, 1.0, Some(1)), // replaced
            ([0.0, 0.0, 1.5, 0.0], 1.5, true, 1.0, Some(1)), // a new run without a leader: kept,
            ([0.0, 0.0, 1.5, 28.0], 29.5, false, 1.0, Some(3)), // one leads
            ([0.0, 0.0, 1.0, 1.0], 2.0, true, 1.0, Some(3)),
            ([0.0, 0.0, 3.5, 0.0], 3.5, true, 0.5, Some(3)), // half the distance: twice the lead
            ([0.0, 0.0, 4.0, 0.0], 4.0, false, 0.5, Some(2)),
            ([0.0, 0.0, 1.0, 1.0], 2.0, true, 1.0, Some(2)),
            ([0.0, 0.0, 15.0, 15.0], 30.0, false, 1.0, None), // none leads for too long
            ([8.0, 8.0, 11.0, 8.0], 35.0, false, 1.0, Some(2)),
            ([8.0, 8.0, 6.0, 8.0], 10.0, true, 1.0, Some(2)),
            ([9.0, 8.0, 9.0, 11.5], 29.0, false, 1.0, Some(3)), // late, but it leads and is likely enough
        ] {
            let evidence = sure(seconds);
            choice.update(&evidence, age, 1.0, changed, Some(step));
            assert_eq!(choice.held(), expected, "{seconds:?} at {age}");
        }
    }

    #[test]
    fn what_hardly_anything_speaks_for_is_no_rival() {
        let config = DecisionConfig { lead: 2.0, replace: 1000.0, ..DecisionConfig::default() };
        let mut choice = Choice::new(&config);
        // Seconds for each of two labels, and what is held: 2.5 of 49 are more than a twentieth, 2.5 of 51 less.
        for (seconds, age, expected) in [([2.5, 0.0], 2.5, 0), ([2.5, 46.5], 49.0, 0), ([2.5, 48.5], 51.0, 1)]
        {
            let evidence = sure(seconds);
            choice.update(&evidence, age, 1.0, age == 2.5, Some(1.0));
            assert_eq!(choice.held(), Some(expected), "{seconds:?}");
        }
    }

    #[test]
    fn in_hindsight_the_state_before_stays_while_it_may() {
        let config = DecisionConfig { lead: 2.0, carry: 30.0, least: 0.3, ..DecisionConfig::default() };
        let choice = Choice::new(&config);
        // Seconds for each of four labels, what was before, whether that was the same run, and what it is.
        for (seconds, before, expected) in [
            ([0.0; 4], None, None),
            ([0.0; 4], Some((3, false)), Some(3)),
            ([9.0, 3.0, 3.0, 3.0], None, Some(0)),
            ([9.0, 8.0, 3.0, 3.0], None, None), // leads by less than `lead`
            ([9.0, 8.0, 3.0, 3.0], Some((3, false)), Some(3)),
            ([19.0, 18.0, 3.0, 3.0], Some((3, false)), None), // for longer than `carry`, and it is not likely
            ([19.0, 18.0, 3.0, 3.0], Some((1, false)), Some(1)),
            ([21.0, 18.0, 0.0, 3.0], Some((1, true)), Some(1)), // the same run: by a tenth
            ([23.0, 18.0, 0.0, 1.0], Some((1, true)), Some(0)),
        ] {
            let evidence = sure(seconds);
            assert_eq!(choice.in_hindsight(&evidence, before), expected, "{seconds:?} after {before:?}");
        }
    }

    /// What is held after each of some seconds, in which a new run's first label has `first` of the evidence and the second the rest,
    /// where a third was held for `stood` seconds before.
    fn held_after(stood: u32, first: f32, clear: f64) -> Vec<Option<usize>> {
        let config =
            DecisionConfig { lead: 0.5, clear, carry: 40.0, least: 0.0, ..DecisionConfig::default() };
        let mut choice = Choice::new(&config);
        let mut shares = Shares::new(3);
        let mut old = Evidence::new(3);
        assert!(shares.set(&[0.0, 0.0, 1.0], None));
        for second in 0..=stood {
            old.add(&shares, 1.0);
            choice.update(&old, f64::from(second) + 1.0, 1.0, second == 0, Some(1.0));
        }
        let mut new = Evidence::new(3);
        assert!(shares.set(&[first, 1.0 - first, 0.0], None));
        (1..=50)
            .map(|second| {
                new.add(&shares, 1.0);
                choice.update(&new, f64::from(second), 1.0, second == 1, Some(1.0));
                choice.held()
            })
            .collect()
    }

    #[test]
    fn what_has_stood_for_long_is_given_up_for_what_clearly_leads() {
        // Seconds for which the third was held before, the first's share, `clear`, and the second at which the first is held. At a share
        // of 0.75 it leads by half of the evidence: by `lead` after one second.
        for (stood, first, clear, at) in [
            (90, 0.75, 0.0, 1),
            (90, 0.75, 0.75, 14), // 0.75 · (1 − 14/40) = 0.4875
            (900, 0.75, 0.75, 14),
            (60, 0.75, 0.75, 1), // 0.75 · 60/90 = 0.5
            (68, 0.75, 0.75, 5), // 0.75 · 68/90 · (1 − 5/40) = 0.4958
            (90, 0.95, 0.75, 1),
            (90, 0.55, 0.75, 35), // 0.1
        ] {
            let held = held_after(stood, first, clear);
            let found = held.iter().position(|held| *held == Some(0)).map(|index| index + 1);
            assert_eq!(found, Some(at), "{first} after {stood} s, {clear}");
            assert!(held[..at - 1].iter().all(|held| *held == Some(2)), "kept until then");
        }
    }
}
