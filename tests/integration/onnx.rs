//! Inference against Python's onnxruntime (goldens by `tests/golden/golden_onnx.py`), and errors of
//! invalid bundles.

mod bundles;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::daemon::{Daemon, genred, run};
use genred::audio::{Level, Patch, PatchSpan, SourceId};
use genred::dsp::PatchView;
use genred::model::{Bundle, Classifier, Cutter, Model, ModelConfig, Provider, Stretch, TrunkKind};
use safetensors::SafeTensors;
use sha2::{Digest, Sha256};

/// Tolerance between two programs with the same library; relative above 1.
const TOLERANCE: f32 = 1e-5;
/// Tolerance with input gain, which is computed in single precision here and in double precision
/// there.
const STREAMED_TOLERANCE: f32 = 2e-4;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn bundle() -> PathBuf {
    root().join("models/musicnn-msd")
}

/// Loads the model at `folder` with this trunk, and ONNX Runtime as `scripts/setup.sh` installed
/// it.
fn config(folder: &Path, trunk: TrunkKind) -> ModelConfig {
    let library = root().join(".cache/onnxruntime/libonnxruntime.so");
    assert!(library.exists(), "`{}` is missing: run `scripts/test.sh`", library.display());
    ModelConfig {
        bundle: folder.display().to_string(),
        trunk: Some(trunk),
        onnxruntime: Some(library),
        execution_providers: Some(vec![Provider::Cpu]),
        ..ModelConfig::default()
    }
}

/// Returns the golden tensors by name, verified to be made from the current bundle.
fn goldens() -> HashMap<String, Vec<f32>> {
    let bytes = fs::read(root().join("tests/golden/onnxruntime.safetensors")).unwrap();
    let (_, header) = SafeTensors::read_metadata(&bytes).unwrap();
    let bundle = Bundle::open(bundle().to_str().unwrap()).unwrap();
    let made_of = header.metadata().as_ref().unwrap();
    for (file, sum) in made_of.iter().filter(|(file, _)| *file != "onnxruntime") {
        let found = sha256(&bundle.read(file).unwrap());
        assert_eq!(&found, sum, "`{file}` has changed: run `tests/golden/golden_onnx.py`");
    }
    let floats = |bytes: &[u8]| {
        bytes.chunks_exact(4).map(|four| f32::from_le_bytes(four.try_into().unwrap())).collect()
    };
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    tensors.tensors().into_iter().map(|(name, view)| (name, floats(view.data()))).collect()
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn assert_near(what: &str, found: &[f32], expected: &[f32]) {
    assert_within(TOLERANCE, what, found, expected);
}

fn assert_within(tolerance: f32, what: &str, found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs() / b.abs().max(1.0)).fold(0.0, f32::max);
    println!("{what}: {worst:.1e}");
    assert!(worst <= tolerance && found.iter().all(|value| value.is_finite()), "{what}: {worst}");
}

/// Embeddings and posteriors of both networks and both heads, for every batch size.
#[test]
fn scores_equal_pythons() {
    let goldens = goldens();
    let log_mel = &goldens["log_mel"];
    let values = 187 * 96;
    let patches = log_mel.len() / values;
    assert_eq!(patches, 12);
    let mut model = Model::load(&config(&bundle(), TrunkKind::Windowed)).unwrap();
    assert_eq!((model.trunk_kind(), model.lookahead_ms()), (TrunkKind::Windowed, 0.0));
    for batch in [1, 5, patches] {
        let (mut embeddings, mut scores) = (Vec::new(), Vec::new());
        for chunk in log_mel.chunks(batch * values) {
            let stretches: Vec<Stretch> =
                chunk.chunks(values).map(|patch| Stretch::of_patch(model.feed(), 1, patch)).collect();
            let stretches: Vec<&Stretch> = stretches.iter().collect();
            embeddings.extend_from_slice(model.embed(&stretches).unwrap());
            model.score(&stretches, &mut scores).unwrap();
        }
        let what = |part: &str| format!("batch {batch}, {part}");
        assert_near(&what("embedding"), &embeddings, &goldens["windowed.embedding"]);
        let genres: Vec<f32> = scores.iter().flatten().flat_map(|scores| scores.posteriors.clone()).collect();
        assert_near(&what("genres"), &genres, &goldens["windowed.genres"]);
        let tags: Vec<f32> = scores.iter().flatten().flat_map(|scores| scores.tags.clone()).collect();
        assert_near(&what("tags"), &tags, &goldens["windowed.tags"]);
    }
}

/// The streamed trunk on single patches without context, for every batch size.
#[test]
fn streamed_patches_equal_pythons() {
    let goldens = goldens();
    let log_mel = &goldens["log_mel"][..10 * 187 * 96];
    let mut model = Model::load(&config(&bundle(), TrunkKind::Streamed)).unwrap();
    assert!((600.0..700.0).contains(&model.lookahead_ms()), "{}", model.lookahead_ms());
    for batch in [1, 3, 10] {
        let (mut embeddings, mut scores) = (Vec::new(), Vec::new());
        for chunk in log_mel.chunks(batch * 187 * 96) {
            let stretches: Vec<Stretch> = (1..)
                .zip(chunk.chunks(187 * 96))
                .map(|(segment, patch)| Stretch::of_patch(model.feed(), segment, patch))
                .collect();
            let stretches: Vec<&Stretch> = stretches.iter().collect();
            model.forget();
            embeddings.extend_from_slice(model.embed(&stretches).unwrap());
            model.score(&stretches, &mut scores).unwrap();
        }
        assert_within(
            STREAMED_TOLERANCE,
            &format!("batch {batch}, embedding"),
            &embeddings,
            &goldens["streamed.embedding"],
        );
        let genres: Vec<f32> = scores.iter().flatten().flat_map(|scores| scores.posteriors.clone()).collect();
        assert_within(
            STREAMED_TOLERANCE,
            &format!("batch {batch}, genres"),
            &genres,
            &goldens["streamed.genres"],
        );
        let tags: Vec<f32> = scores.iter().flatten().flat_map(|scores| scores.tags.clone()).collect();
        assert_within(STREAMED_TOLERANCE, &format!("batch {batch}, tags"), &tags, &goldens["streamed.tags"]);
    }
}

/// A recording, patch by patch: the features of each frame are computed once, with the gain at its
/// time.
#[test]
fn streams_equal_pythons() {
    let goldens = goldens();
    let mel = &goldens["stream.log_mel"];
    let frames = mel.len() / 96;
    let mut model = Model::load(&config(&bundle(), TrunkKind::Streamed)).unwrap();
    let patches = model.feed().patches(1.0);
    let mut cutter = Cutter::new(model.feed(), 0);
    let mut embeddings = Vec::new();
    let starts: Vec<usize> = (0..).map(|k| k * 125 / 2).take_while(|start| start + 187 <= frames).collect();
    for start in starts {
        let first = start.saturating_sub(patches.before);
        let end = (start + 187 + patches.after).min(frames);
        let view = PatchView {
            patch: Patch {
                source: SourceId(0),
                index: 0,
                span: PatchSpan { start: 0.0, end: 0.0 },
                ends_at: jiff::Timestamp::UNIX_EPOCH,
                level: Level::default(),
            },
            segment: 1,
            start: start as u64,
            more: false,
            bands: 96,
            log_mel: &mel[start * 96..(start + 187) * 96],
            context: &mel[first * 96..end * 96],
            lead: start - first,
            received_to_s: 0.0,
        };
        let mut stretch = Stretch::default();
        assert!(cutter.add(&view, &mut stretch));
        embeddings.extend_from_slice(model.embed(&[&stretch]).unwrap());
    }
    assert!(embeddings.len() >= 3 * 624, "{}", embeddings.len());
    assert_within(STREAMED_TOLERANCE, "stream", &embeddings, &goldens["stream.embedding"]);
}

/// A missing GPU: alone in the list it is an error, before the CPU the reason for the fallback.
#[test]
fn cuda_without_a_card() {
    let asked = |list: &[Provider]| {
        Model::load(&ModelConfig {
            execution_providers: Some(list.to_vec()),
            ..config(&bundle(), TrunkKind::Windowed)
        })
    };
    let error = asked(&[Provider::Cuda]).err().unwrap().to_string();
    println!("{error}");
    assert!(error.contains("execution provider `cuda` cannot be used") && error.contains("CUDA"), "{error}");
    assert!(error.contains("add `cpu` to `model.execution_providers`"), "{error}");
    let model = asked(&[Provider::Cuda, Provider::Cpu]).unwrap();
    assert_eq!(model.provider(), Provider::Cpu);
    assert!(model.provider_reason().contains("`cuda` cannot be used"), "{}", model.provider_reason());
    let model = asked(&[Provider::Cpu, Provider::Cuda]).unwrap();
    assert_eq!(model.provider(), Provider::Cpu);
    assert!(!model.provider_reason().contains("cuda"), "{}", model.provider_reason());

    let folder = tempfile::tempdir().unwrap();
    let check = |list: &str, code: i32| {
        fs::write(folder.path().join("c.toml"), format!("[model]\nexecution_providers = {list}")).unwrap();
        let ended = run(folder.path(), &["check", "-c", "c.toml"]);
        assert_eq!(ended.code, Some(code), "{list}: {}", ended.stderr);
        ended
    };
    assert!(check("['cuda']", 1).stderr.contains("execution provider `cuda` cannot be used"));
    let fallen_back = check("['cuda', 'cpu']", 0);
    assert!(
        fallen_back.stdout.contains("cpu (execution provider `cuda` cannot be used"),
        "{}",
        fallen_back.stdout
    );
    assert_eq!(fallen_back.stderr.matches("WARN").count(), 1, "said once: {}", fallen_back.stderr);
    assert!(check("['tpu']", 1).stderr.contains("unknown variant `tpu`"));
    assert!(check("[]", 1).stderr.contains("`model.execution_providers` is empty"));
}

/// A missing file causes an error that lists every searched path and a remedy.
#[test]
fn what_is_missing_is_named_with_the_places_tried() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let mut command = genred(folder);
    command.env("GENRED_MODELS", folder.join("models"));
    let ended = Daemon::start(command.args(["classify", "--model", "nonesuch", "x.wav"])).end();
    assert_eq!(ended.code, Some(1));
    let here = folder.join("models/nonesuch").display().to_string();
    for part in ["no model `nonesuch`", &here, "/usr/share/genred/models/nonesuch", "set GENRED_MODELS"] {
        assert!(ended.stderr.contains(part), "no `{part}` in {}", ended.stderr);
    }
    let ended = run(folder, &["classify", "--model", "./nonesuch", "x.wav"]);
    assert_eq!(ended.stderr.matches("nonesuch").count(), 2, "{}", ended.stderr);

    // A binary without a library in its folder.
    let lone = folder.join("genred");
    fs::copy(env!("CARGO_BIN_EXE_genred"), &lone).unwrap();
    let mut command = std::process::Command::new(&lone);
    command.envs(genred(folder).get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("ORT_DYLIB_PATH", folder.join("gone.so")).current_dir(folder);
    let ended = Daemon::start(command.args(["classify", "x.wav"])).end();
    assert_eq!(ended.code, Some(1), "is there an ONNX Runtime in a folder of the system? {}", ended.stderr);
    let beside = folder.join("lib/libonnxruntime.so").display().to_string();
    for part in [
        "no ONNX Runtime was found",
        "gone.so (not there)",
        &beside,
        "/usr/lib/genred/",
        "scripts/setup.sh",
        "ORT_DYLIB_PATH",
    ] {
        assert!(ended.stderr.contains(part), "no `{part}` in {}", ended.stderr);
    }
}
