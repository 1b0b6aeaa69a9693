//! Inference against Python's onnxruntime (goldens by `tests/golden/golden_onnx.py`), and errors of
//! invalid bundles.

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

/// A copy of the bundle, to be modified.
struct Copy {
    folder: tempfile::TempDir,
}

impl Copy {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for part in ["heads", "golden"] {
            fs::create_dir(folder.path().join(part)).unwrap();
        }
        for file in [
            "manifest.toml",
            "streamed.onnx",
            "pooling.safetensors",
            "windowed.onnx",
            "golden/golden.safetensors",
            "heads/genres.toml",
            "heads/genres.safetensors",
            "heads/tags.toml",
            "heads/tags.safetensors",
        ] {
            fs::copy(bundle().join(file), folder.path().join(file)).unwrap();
        }
        Self { folder }
    }

    fn read(&self, file: &str) -> Vec<u8> {
        fs::read(self.folder.path().join(file)).unwrap()
    }

    fn write(&self, file: &str, bytes: &[u8]) {
        fs::write(self.folder.path().join(file), bytes).unwrap();
    }

    /// Replaces the only occurrence of `from` in a text file.
    fn edit(&self, file: &str, from: &str, to: &str) {
        let text = String::from_utf8(self.read(file)).unwrap();
        assert_eq!(text.matches(from).count(), 1, "`{from}` in `{file}`");
        self.write(file, text.replace(from, to).as_bytes());
    }

    /// Updates the checksum of a file in the manifest.
    fn sign(&self, file: &str) {
        let old = sha256(&fs::read(bundle().join(file)).unwrap());
        self.edit("manifest.toml", &old, &sha256(&self.read(file)));
    }

    fn error(&self) -> String {
        match Model::load(&config(self.folder.path(), TrunkKind::Windowed)) {
            Ok(_) => panic!("the spoilt bundle was accepted"),
            Err(error) => error.to_string(),
        }
    }
}

/// A bundle with inconsistent parts causes an error that names the part and the reason.
#[test]
fn bundles_that_do_not_fit_are_refused() {
    Model::load(&config(Copy::new().folder.path(), TrunkKind::Windowed)).unwrap();
    let check = |spoil: &dyn Fn(&Copy), parts: &[&str]| {
        let copy = Copy::new();
        spoil(&copy);
        let error = copy.error();
        println!("{error}\n");
        for part in parts {
            assert!(error.contains(part), "no `{part}` in `{error}`");
        }
    };
    let manifest = |from: &'static str, to: &'static str, parts: &[&str]| {
        check(&|copy| copy.edit("manifest.toml", from, to), parts);
    };
    manifest("format = 2\n", "format = 3\n", &["manifest.toml", "format 3", "which reads 2"]);
    // Of an earlier build: other keys are not looked at.
    check(
        &|copy| copy.write("manifest.toml", b"format = 1\n[trunk]\nkind = 'streamed'\n"),
        &["manifest.toml", "format 1", "earlier build", "`genred train`"],
    );
    check(
        &|copy| {
            copy.edit("manifest.toml", "[trunk.windowed]", "[trunk.others]");
        },
        &["manifest.toml", "unknown field `others`"],
    );
    manifest("bands = 96", "bands = 64", &["`log_mel`", "187, 96]", "the manifest says [batch, 187, 64]"]);
    manifest(
        "frames = 187",
        "frames = 100",
        &["`log_mel`", "187, 96]", "the manifest says [batch, 100, 96]"],
    );
    manifest("sample_rate = 16000", "sample_rate = 8000", &["manifest.toml", "front end: `f_max`"]);
    // Consistent parameters that do not fit the model are detected by the first golden patch.
    for (from, to) in [
        ("sample_rate = 16000", "sample_rate = 22050"),
        ("mel_scale = \"slaney\"", "mel_scale = \"htk\""),
        ("mel_norm = \"slaney\"", "mel_norm = \"none\""),
        ("power = 2.0", "power = 1.0"),
        ("f_max = 8000.0", "f_max = 7600.0"),
        ("scale = 10000.0", "scale = 1000.0"),
        ("centred = true", "centred = false"),
    ] {
        manifest(from, to, &["manifest.toml: `front_end` is not the one that the model was made for"]);
    }
    manifest("hop_length = 256", "hop_length = 0", &["manifest.toml", "front end: `hop_length`"]);
    manifest("taper = \"hann\"", "taper = \"square\"", &["manifest.toml", "unknown variant `square`"]);
    manifest(
        "mel_norm = \"slaney\"",
        "mel_nrom = \"slaney\"",
        &["manifest.toml", "unknown field `mel_nrom`"],
    );
    manifest("dim = 624", "dim = 128", &["genres.toml", "of 128 weights", "9360 weights"]);
    manifest(
        "input = \"log_mel\"            # [batch, frames, bands]",
        "input = \"mel\"",
        &["manifest.toml: the model has no tensor input `mel`"],
    );
    manifest(
        "output = \"embedding\"",
        "output = \"vector\"",
        &["manifest.toml: ", "no tensor output `vector`"],
    );
    manifest(
        "file = \"windowed.onnx\"",
        "file = \"stem.onnx\"",
        &["`stem.onnx` is used but has no checksum"],
    );
    manifest("\"heads/genres.toml\" = ", "\"heads/others.toml\" = ", &["`heads/genres.toml`", "no checksum"]);

    let listed = sha256(&fs::read(bundle().join("windowed.onnx")).unwrap());
    check(
        &|copy| {
            let mut bytes = copy.read("windowed.onnx");
            bytes[500_000] ^= 1;
            copy.write("windowed.onnx", &bytes);
        },
        &["`windowed.onnx` has the sha256 ", &format!("the manifest says {}", &listed[..8])],
    );
    check(&|copy| copy.write("windowed.onnx", b""), &["`windowed.onnx` has the sha256 e3b0c442"]);
    check(
        &|copy| fs::remove_file(copy.folder.path().join("heads/tags.safetensors")).unwrap(),
        &["heads/tags.safetensors", "No such file"],
    );
    let head = |from: &'static str, to: &'static str, parts: &[&str]| {
        check(
            &|copy| {
                copy.edit("heads/genres.toml", from, to);
                copy.sign("heads/genres.toml");
            },
            parts,
        );
    };
    head(
        "embedding_id = \"musicnn-msd-dense-pooled\"",
        "embedding_id = \"yamnet\"",
        &["heads/genres.toml", "embedding `yamnet`", "provides `musicnn-msd-dense-pooled`"],
    );
    head("\"jazz\", \"metal\", ", "\"jazz\", ", &["heads/genres.toml", "14 units of 624 weights", "9360"]);
    head("\"jazz\", \"metal\"", "\"jazz\", \"jazz\"", &["heads/genres.toml", "`jazz` is listed twice"]);
    head("kind = \"single\"", "kind = \"single\"\nhidden = 3", &["heads/genres.toml", "`hidden.weight`"]);
    head("\ntemperature = ", "\ntemperature = -", &["heads/genres.toml", "temperature -"]);

    // A file with the right checksum that is not a model: the error names the file, not a provider.
    check(
        &|copy| {
            copy.write("windowed.onnx", b"These are not the weights.");
            copy.sign("windowed.onnx");
        },
        &["windowed.onnx"],
    );
    // Right shapes, wrong scores.
    check(
        &|copy| {
            let mut bytes = copy.read("golden/golden.safetensors");
            let at = {
                let tensors = SafeTensors::deserialize(&bytes).unwrap();
                let view = tensors.tensor("windowed.embedding").unwrap();
                view.data().as_ptr() as usize - bytes.as_ptr() as usize
            };
            bytes[at..at + 4].copy_from_slice(&77_f32.to_le_bytes());
            copy.write("golden/golden.safetensors", &bytes);
            copy.sign("golden/golden.safetensors");
        },
        &["the model's `embedding` differs by 7", "golden answers, more than 0.0003"],
    );
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
