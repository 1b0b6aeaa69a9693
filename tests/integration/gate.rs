//! The gate: music, speech or noise, computed in the same trunk run as the genres.

use std::path::Path;

use crate::support::audio::write_wav;
use crate::support::bundle::{DIM, Gate, copy_with_gate};
use crate::support::daemon::run;
use crate::support::music::cut;
use genred::model::{Classifier, Model, ModelConfig, Provider, Stretch};
use serde_json::Value;

fn load(folder: &Path) -> Result<Model, String> {
    let library = Path::new(env!("CARGO_MANIFEST_DIR")).join(".cache/onnxruntime/libonnxruntime.so");
    let config = ModelConfig {
        bundle: folder.display().to_string(),
        onnxruntime: Some(library),
        execution_providers: Some(vec![Provider::Cpu]),
        ..ModelConfig::default()
    };
    Model::load(&config).map_err(|error| error.to_string())
}

/// Every patch has the scores of all heads, and those of the gate are assigned by label.
#[test]
fn the_gate_is_scored_with_the_other_heads() {
    let folder = tempfile::tempdir().unwrap();
    // Logits: the first values of the embedding, scaled, plus biases.
    let mut weight = vec![0.0; 3 * DIM];
    (weight[0], weight[DIM + 1], weight[2 * DIM + 2]) = (0.5, -0.5, 1.0);
    let gate = Gate {
        kind: "single",
        labels: &["noise", "music", "speech"],
        weight,
        bias: vec![0.25, 1.0, -0.5],
        signed: true,
    };
    copy_with_gate(folder.path(), &gate);
    let mut model = load(folder.path()).unwrap();
    let values = 187 * 96;
    let log_mel: Vec<f32> = (0..2 * values).map(|index| (index % 97) as f32 / 97.0).collect();
    let stretches: Vec<Stretch> = (1..)
        .zip(log_mel.chunks(values))
        .map(|(n, patch)| Stretch::of_patch(model.feed(), n, patch))
        .collect();
    let stretches: Vec<&Stretch> = stretches.iter().collect();
    let embeddings = model.embed(&stretches).unwrap().to_vec();
    let mut scores = Vec::new();
    model.score(&stretches, &mut scores).unwrap();
    for (scores, embedding) in scores.iter().flatten().zip(embeddings.chunks_exact(DIM)) {
        let found = scores.gate.unwrap();
        let logits = [0.5 * embedding[0] + 0.25, -0.5 * embedding[1] + 1.0, embedding[2] - 0.5];
        let exp = logits.map(|logit| f64::from(logit).exp());
        let sum: f64 = exp.iter().sum();
        for (found, expected) in [found.noise, found.music, found.speech].into_iter().zip(exp) {
            assert!((f64::from(found) - expected / sum).abs() < 1e-5, "{found}");
        }
        assert!(!scores.posteriors.is_empty() && !scores.tags.is_empty());
    }
}

#[test]
fn a_gate_that_does_not_fit_is_refused_by_name() {
    let check = |gate: Gate<'_>, parts: &[&str]| {
        let folder = tempfile::tempdir().unwrap();
        copy_with_gate(folder.path(), &gate);
        let Err(error) = load(folder.path()) else { panic!("{parts:?}: accepted") };
        for part in parts {
            assert!(error.contains(part), "no `{part}` in `{error}`");
        }
    };
    let constant = |labels: &'static [&'static str]| Gate::constant(labels, &vec![0.0; labels.len()]);
    check(constant(&["music", "talk"]), &["heads/gate.toml", "`talk`", "`speech`"]);
    check(constant(&["speech", "noise"]), &["heads/gate.toml", "must have `music`"]);
    check(constant(&["music"]), &["heads/gate.toml", "at least one of"]);
    check(Gate { kind: "multi", ..constant(&["music", "speech"]) }, &["heads/gate.toml", "`single`"]);
    check(Gate { signed: false, ..constant(&["music", "speech"]) }, &["heads/gate.toml", "no checksum"]);
}

/// Output line of `classify --json` with the bundle at `bundle`.
fn classify(folder: &Path, file: &str) -> Value {
    let ended = run(folder, &["classify", "--json", "--model", "./bundle", file]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    ended.json().remove(0)
}

/// A state of the gate replaces the genre; the posteriors of the genre head are kept. Digital
/// silence remains silence regardless of the gate.
#[test]
fn speech_and_noise_are_states() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    cut("metal", 60.0, 5.0, &folder.join("sound.wav"), &[]);
    write_wav(&folder.join("silence.wav"), 16_000, 1, &[0.0; 80_000]);
    for (bias, state) in [([0.0, 3.0, 1.0], "speech"), ([0.0, 1.0, 3.0], "noise"), ([3.0, 0.0, 1.0], "music")]
    {
        copy_with_gate(&folder.join("bundle"), &Gate::constant(&["music", "speech", "noise"], &bias));
        let line = classify(folder, "sound.wav");
        assert_eq!(line["state"], state);
        for answer in line["windows"].as_array().unwrap().iter().chain([&line]) {
            assert_eq!(answer["state"], state);
            assert_eq!(answer["genre"] == state, state != "music", "{answer}");
            assert_eq!(answer["confidence"].is_null(), state != "music", "{answer}");
            let sum: f64 = answer["scores"].as_object().unwrap().values().map(|p| p.as_f64().unwrap()).sum();
            assert!((sum - 1.0).abs() < 1e-5, "{sum}");
        }
        assert_eq!(classify(folder, "silence.wav")["state"], "silence");
    }
}

/// The daemon publishes the state as the genre, and an event about it.
#[test]
fn the_daemon_publishes_speech() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    copy_with_gate(&folder.join("bundle"), &Gate::constant(&["speech", "music"], &[3.0, 0.0]));
    cut("metal", 60.0, 20.0, &folder.join("sound.wav"), &[]);
    std::fs::write(
        folder.join("genred.toml"),
        "[model]\nbundle = './bundle'\n[mqtt]\nenabled = false\n[[source]]\nname = 'sound'\nuri = 'file:sound.wav'\npacing = 'fast'\n",
    )
    .unwrap();
    let ended = run(folder, &["run", "-c", "genred.toml", "--output", "jsonl"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    let events = ended.lines("event", Some("sound"));
    let [event] = &events[..] else { panic!("{events:?}") };
    assert_eq!((&event["from"], &event["to"]), (&"uncertain".into(), &"speech".into()));
    let state = ended.lines("state", Some("sound")).pop().unwrap();
    assert_eq!((&state["state"], &state["genre"]), (&"speech".into(), &"speech".into()));
    assert!(state["confidence"].is_null() && state["raw_genre"] == "speech", "{state}");
}
