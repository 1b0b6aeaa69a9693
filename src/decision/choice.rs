//! Which state is published.

use super::config::DecisionConfig;
use super::evidence::Evidence;
use super::trace::{Rule, Standing};

/// A step that is shorter counts as this long, in units.
const LEAST_STEP: f64 = 0.125;

/// Holds a state until the evidence for another leads by enough.
#[derive(Debug)]
pub struct Choice {
    lead: f64,
    replace: f64,
    carry: f64,
    least: f64,
    held: Option<usize>,
    /// Whether `held` was chosen by the present run.
    settled: bool,
    judged: Option<Standing>,
}

impl Choice {
    /// One that holds nothing.
    pub fn new(config: &DecisionConfig) -> Self {
        let DecisionConfig { lead, replace, carry, least, .. } = *config;
        Self { lead, replace, carry, least, held: None, settled: false, judged: None }
    }

    /// Goes on with other thresholds.
    pub fn configure(&mut self, config: &DecisionConfig) {
        *self = Self { held: self.held, settled: self.settled, ..Self::new(config) };
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

    /// Decides by the evidence of the present run, which has lasted `age` seconds; `changed` where it is new, `step` units
    /// away from the one before.
    pub fn update(&mut self, evidence: &Evidence, age: f64, changed: bool, step: f64) {
        self.settled &= !changed;
        let standing = self.stand(evidence, step);
        if standing.passes {
            self.held = Some(standing.candidate);
            self.settled = true;
        } else if !self.settled && age >= self.carry {
            self.held = None;
        }
        self.judged = Some(standing);
    }

    /// Which state may be held next, what it must lead, and by how much.
    fn stand(&self, evidence: &Evidence, step: f64) -> Standing {
        let (best, next) = evidence.best_two();
        let (rule, candidate, against, needed) = match self.held {
            Some(held) if self.settled => {
                (Rule::Replace, if held == best { next } else { best }, held, self.replace)
            }
            // What sounds much as before is more likely the same piece: another label must lead for longer.
            Some(held) if held != best => (Rule::Lead, best, next, self.lead / step.clamp(LEAST_STEP, 1.0)),
            _ => (Rule::Lead, best, next, self.lead),
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

    /// Holds nothing, as if new.
    pub fn reset(&mut self) {
        self.held = None;
        self.settled = false;
        self.judged = None;
    }
}

#[cfg(test)]
mod tests {
    use super::super::evidence::Shares;
    use super::*;

    #[test]
    fn each_rule_alone() {
        let config =
            DecisionConfig { lead: 2.0, replace: 10.0, carry: 30.0, least: 0.3, ..DecisionConfig::default() };
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
            let mut evidence = Evidence::new(4);
            for (label, seconds) in seconds.into_iter().enumerate() {
                let mut shares = Shares::new(4);
                let mut posteriors = [0.0; 4];
                posteriors[label] = 1.0;
                assert!(shares.set(&posteriors, None));
                evidence.add(&shares, seconds);
            }
            choice.update(&evidence, age, changed, step);
            assert_eq!(choice.held(), expected, "{seconds:?} at {age}");
        }
    }
}
