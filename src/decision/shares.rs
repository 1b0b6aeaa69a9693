//! Evidence of one patch, and of the patches of a segment.

use super::time::Seconds;
use super::verdict::Verdict;
use crate::event::{GatePosteriors, SourceState};

/// Shares of the *states* in one patch; they sum to 1.
///
/// The states are the labels of the genre head, then `speech`, then `noise`.
#[derive(Debug)]
pub(super) struct PatchShares {
    states: Vec<f64>,
    posteriors: Vec<f64>,
    music: f64,
}

impl PatchShares {
    pub(super) fn new(labels: usize) -> Self {
        Self { states: vec![0.0; labels + 2], posteriors: vec![0.0; labels], music: 0.0 }
    }

    pub(super) fn states(&self) -> &[f64] {
        &self.states
    }

    /// Posterior of each label, and the share of music.
    pub(super) fn music(&self) -> (&[f64], f64) {
        (&self.posteriors, self.music)
    }

    pub(super) fn noise(&self) -> f64 {
        self.states.last().copied().unwrap_or_default()
    }

    /// Replaces the previous patch. The labels share the gate's posterior of music. Posteriors of a
    /// multi-label head need not sum to 1: a larger sum is scaled down to 1, and the rest of a
    /// smaller one is divided evenly.
    ///
    /// Returns false if a value is not finite or a label is missing: such a patch is no evidence.
    pub(super) fn set(&mut self, posteriors: &[f32], gate: Option<GatePosteriors>) -> bool {
        let gate = gate.map_or([1.0, 0.0, 0.0], |gate| [gate.music, gate.speech, gate.noise]);
        let labels = self.posteriors.len();
        if posteriors.len() != labels || !posteriors.iter().chain(&gate).all(|p| p.is_finite()) {
            return false;
        }
        let part = |p: f32| f64::from(p.clamp(0.0, 1.0));
        let [music, speech, noise] = gate.map(part);
        let whole = (music + speech + noise).max(f64::MIN_POSITIVE);
        let sum: f64 = posteriors.iter().map(|p| part(*p)).sum();
        let missing = (1.0 - sum).max(0.0) / labels.max(1) as f64;
        self.music = music / whole;
        for (label, p) in posteriors.iter().map(|p| part(*p)).enumerate() {
            self.posteriors[label] = p;
            self.states[label] = self.music * (p / sum.max(1.0) + missing);
        }
        self.states[labels] = speech / whole;
        self.states[labels + 1] = noise / whole;
        true
    }
}

/// Sums over the patches of a segment, each weighted by its length in seconds.
#[derive(Debug, Clone)]
pub(super) struct Evidence {
    /// Weighted seconds of each state.
    states: Vec<f64>,
    /// Posterior of each label, weighted by the seconds of music.
    posteriors: Vec<f64>,
    seconds: f64,
}

impl Evidence {
    pub(super) fn new(labels: usize) -> Self {
        Self { states: vec![0.0; labels + 2], posteriors: vec![0.0; labels], seconds: 0.0 }
    }

    /// Share of the state `state`, 0–1, with a prior of `prior` for each state.
    pub(super) fn share(&self, state: usize, Seconds(prior): Seconds) -> f64 {
        let all = self.seconds + prior * self.states.len() as f64;
        if all > 0.0 { (self.states.get(state).copied().unwrap_or_default() + prior) / all } else { 0.0 }
    }

    /// State with the largest share, of equal ones the first; `None` without evidence.
    pub(super) fn largest(&self) -> Option<usize> {
        let mut largest = None;
        for (state, seconds) in self.states.iter().enumerate() {
            if *seconds > largest.map_or(0.0, |best: usize| self.states[best]) {
                largest = Some(state);
            }
        }
        largest
    }

    /// Probability of `patch` under the mixture of the segment, with `prior` as in
    /// [`share`](Self::share).
    pub(super) fn predicts(&self, patch: &PatchShares, Seconds(prior): Seconds) -> f64 {
        let common: f64 = self.states.iter().zip(patch.states()).map(|(sum, p)| (sum + prior) * p).sum();
        common / (self.seconds + prior * self.states.len() as f64)
    }

    /// Mean posterior of the label `label` in music, 0–1.
    pub(super) fn posterior(&self, label: usize) -> f64 {
        let music: f64 = self.states[..self.posteriors.len()].iter().sum();
        match self.posteriors.get(label) {
            Some(sum) if music > 0.0 => (sum / music).min(1.0),
            _ => 0.0,
        }
    }

    /// Verdict for `state`; a label has its mean posterior.
    pub(super) fn verdict(&self, state: Option<usize>) -> Verdict {
        let labels = self.posteriors.len();
        match state {
            Some(label) if label < labels => Verdict::music(label, self.posterior(label) as f32),
            Some(state) if state == labels => Verdict::state(SourceState::Speech),
            Some(_) => Verdict::state(SourceState::Noise),
            None => Verdict::state(SourceState::Uncertain),
        }
    }

    /// Adds a patch with the weight `seconds`, after multiplying the previous sums by `kept`, 0–1.
    pub(super) fn add(
        &mut self,
        states: &[f64],
        posteriors: &[f64],
        music: f64,
        Seconds(seconds): Seconds,
        kept: f64,
    ) {
        let music = music * seconds;
        self.states.iter_mut().zip(states).for_each(|(sum, share)| *sum = *sum * kept + share * seconds);
        self.posteriors.iter_mut().zip(posteriors).for_each(|(sum, p)| *sum = *sum * kept + p * music);
        self.seconds = self.seconds * kept + seconds;
    }

    pub(super) fn clear(&mut self) {
        self.states.iter_mut().chain(&mut self.posteriors).for_each(|sum| *sum = 0.0);
        self.seconds = 0.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(posteriors: &[f32], gate: Option<[f32; 3]>) -> PatchShares {
        let mut shares = PatchShares::new(posteriors.len());
        let gate = gate.map(|[music, speech, noise]| GatePosteriors { music, speech, noise });
        assert!(shares.set(posteriors, gate));
        shares
    }

    fn add(evidence: &mut Evidence, patch: &PatchShares, seconds: f64, kept: f64) {
        let (posteriors, music) = patch.music();
        evidence.add(patch.states(), posteriors, music, Seconds(seconds), kept);
    }

    #[test]
    fn posteriors_become_shares() {
        for (posteriors, gate, expected) in [
            ([0.5, 0.25, 0.25], None, [0.5, 0.25, 0.25, 0.0, 0.0]),
            ([0.5, 0.25, 0.25], Some([0.5, 0.25, 0.25]), [0.25, 0.125, 0.125, 0.25, 0.25]),
            // A multi-label head: a sum above 1, and one below.
            ([1.0, 0.75, 0.25], None, [0.5, 0.375, 0.125, 0.0, 0.0]),
            ([0.25, 0.0, 0.0], None, [0.5, 0.25, 0.25, 0.0, 0.0]),
        ] {
            assert_eq!(shares(&posteriors, gate).states, expected);
        }
        let mut other = PatchShares::new(2);
        assert!(!other.set(&[0.5], None) && !other.set(&[0.5, f32::NAN], None));
        let gate = GatePosteriors { music: f32::INFINITY, speech: 0.0, noise: 0.0 };
        assert!(!other.set(&[0.5, 0.5], Some(gate)));
    }

    #[test]
    fn a_segment_predicts_its_own_mixture() {
        let (one, other) = (shares(&[1.0, 0.0], None), shares(&[0.0, 1.0], None));
        let mut evidence = Evidence::new(2);
        assert_eq!(evidence.predicts(&one, Seconds(1.0)), 0.25, "four states, evenly");
        add(&mut evidence, &one, 3.0, 1.0);
        add(&mut evidence, &other, 1.0, 1.0);
        // (3 + 1) of (4 + 4) seconds, and (1 + 1).
        assert_eq!(
            (evidence.predicts(&one, Seconds(1.0)), evidence.predicts(&other, Seconds(1.0))),
            (0.5, 0.25)
        );
        assert_eq!(
            (
                evidence.share(0, Seconds(1.0)),
                evidence.share(2, Seconds(1.0)),
                evidence.share(0, Seconds(0.0))
            ),
            (0.5, 0.125, 0.75)
        );
        add(&mut evidence, &other, 2.0, 0.5);
        assert_eq!((evidence.seconds, evidence.share(1, Seconds(0.0))), (4.0, 0.625));
        assert_eq!(evidence.largest(), Some(1));
        evidence.clear();
        assert_eq!(evidence.largest(), None);
        assert_eq!((evidence.seconds, evidence.share(1, Seconds(0.0))), (0.0, 0.0));
    }

    #[test]
    fn mean_posteriors_are_of_music_only() {
        let mut evidence = Evidence::new(2);
        add(&mut evidence, &shares(&[0.75, 0.25], Some([1.0, 0.0, 0.0])), 1.0, 1.0);
        add(&mut evidence, &shares(&[0.0, 1.0], Some([0.0, 1.0, 0.0])), 3.0, 1.0);
        assert_eq!((evidence.posterior(0), evidence.posterior(1)), (0.75, 0.25));
        assert_eq!(evidence.verdict(Some(0)), Verdict::music(0, 0.75));
        assert_eq!(evidence.verdict(Some(2)), Verdict::state(SourceState::Speech));
        assert_eq!(evidence.verdict(Some(3)), Verdict::state(SourceState::Noise));
        assert_eq!(evidence.verdict(None), Verdict::state(SourceState::Uncertain));
    }
}
