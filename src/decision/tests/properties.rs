//! Properties of the stage for any input.

use proptest::prelude::*;

use super::*;

proptest! {
    /// Pieces with certain posteriors are followed with default settings, in any order and length.
    #[test]
    fn certain_pieces_are_followed(pieces in prop::collection::vec((1..15_usize, 12..150_usize), 1..9)) {
        let labels: Vec<Arc<str>> = (0..15).map(|label| format!("label {label}").into()).collect();
        let config = DecisionConfig::default();
        let mut decider = Decider::new(&labels, &config, &SilenceConfig::default(), &DeadAirConfig::default());
        let (mut label, mut time) = (0, 0.0);
        for (index, (step, seconds)) in pieces.iter().enumerate() {
            label = (label + if index % 3 == 2 { 15 - pieces[index - 1].0 } else { *step }) % 15;
            let mut posteriors = [0.02 / 14.0; 15];
            posteriors[label] = 0.98;
            for _ in 0..*seconds {
                time += 1.0;
                let level = Level::of_loudness(LOUD);
                decider.observe(observation(time, &posteriors, None, level));
            }
            prop_assert_eq!(decider.verdict().label, Some(label), "piece {} of {:?}", index, pieces);
        }
    }

    /// For any input, confidences are in 0–1 and published labels exist.
    #[test]
    fn any_input_is_harmless(
        patches in prop::collection::vec(
            (
                prop::array::uniform3(prop_oneof![4 => 0.0_f32..=1.0, 1 => prop::num::f32::ANY]),
                prop::option::of(prop::array::uniform3(prop_oneof![4 => 0.0_f32..=1.0, 1 => prop::num::f32::ANY])),
                prop_oneof![4 => -40.0_f32..0.0, 1 => prop::num::f32::ANY],
                prop_oneof![8 => 0.0_f64..4.0, 1 => -100.0_f64..10_000.0],
                0..40_u8,
            ),
            1..200,
        )
    ) {
        let mut decider = decider();
        let mut time = 0.0;
        for (posteriors, gate, lufs_s, step, what) in patches {
            time += step;
            let gate = gate.map(|[music, speech, noise]| GatePosteriors { music, speech, noise });
            let before = decider.genre(decider.verdict());
            let changes = match what {
                0 => decider.lose(None),
                _ => decider.observe(observation(time, &posteriors, gate, Level::of_loudness(lufs_s))),
            };
            let verdict = decider.verdict();
            prop_assert!(decider.smoothed().iter().all(|p| (0.0..=1.0).contains(p)));
            prop_assert!(verdict.confidence.is_none_or(|p| (0.0..=1.0).contains(&p)));
            prop_assert_eq!(verdict.label.is_some(), verdict.state == SourceState::Music);
            prop_assert!(verdict.label.is_none_or(|label| label < 3));
            // A change is returned exactly when the genre changes.
            let said = changes.iter().filter(|change| matches!(change, SourceEvent::GenreChanged { .. })).count();
            let now = decider.genre(verdict);
            let lost = &*before == "lost" || &*now == "lost";
            prop_assert_eq!(said, usize::from(before != now && !lost || &*before == "lost" && &*now != "lost" && &*now != "uncertain"));
        }
    }
}
