//! Manifest of a bundle: front end, trunk, checksums.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::ModelError;
use super::level::{Level, LevelEntry};
use super::stream::{Feed, Streamed};
use crate::audio::SampleRate;
use crate::dsp::{Compression, LogMelParams, MelNorm, MelScale, MelSlope, Spectrum, Taper, TaperPadding};

/// Supported manifest format.
const FORMAT: u32 = 1;

/// `manifest.toml`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: u32,
    /// Bundle name.
    pub name: String,
    /// Bundle version.
    pub version: String,
    /// Description, one sentence.
    pub description: String,
    /// SPDX expression of the weights.
    pub licence: String,
    /// Origins of the weights.
    pub sources: Vec<String>,
    front_end: RawFrontEnd,
    patch: RawPatch,
    /// The network.
    pub trunk: TrunkEntry,
    /// Input gain of a streamed trunk. Windowed trunks contain the stage.
    pub level: Option<LevelEntry>,
    /// Patches with expected scores.
    pub golden: GoldenEntry,
    /// Training material of the weights.
    #[serde(default)]
    pub training: TrainingEntry,
    checksums: BTreeMap<String, String>,
}

/// `[training]`: material that an evaluation must exclude. Other keys document the training.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct TrainingEntry {
    /// Description of the material.
    #[serde(default)]
    pub material: String,
    /// Track ids, `DATASET:TRACK` or without data set.
    #[serde(default)]
    pub tracks: Vec<String>,
    /// Hexadecimal SHA-256 of decoded recordings, as defined in `docs/guide/evaluation.md`.
    #[serde(default)]
    pub pcm_sha256: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFrontEnd {
    sample_rate: u32,
    fft_size: usize,
    hop_length: usize,
    taper: Taper,
    taper_length: usize,
    #[serde(default)]
    taper_padding: TaperPadding,
    centred: bool,
    power: f64,
    bands: usize,
    mel_scale: MelScale,
    #[serde(default)]
    mel_slope: MelSlope,
    mel_norm: MelNorm,
    f_min: f64,
    f_max: f64,
    compression: RawCompression,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
enum RawCompression {
    Log10OnePlus { scale: f64 },
    LnPlus { offset: f64 },
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPatch {
    frames: usize,
}

/// Computation of an embedding from frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrunkKind {
    /// Maps a whole patch to its embedding.
    Windowed,
    /// Maps frames and their halo to features per frame, which are pooled over a patch to its
    /// embedding.
    Streamed,
}

/// `[trunk]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrunkEntry {
    /// Computation of the embedding.
    pub kind: TrunkKind,
    /// Path of the network, relative to the bundle.
    pub file: String,
    /// Path of the larger, windowed network that the trunk was derived from.
    pub reference: Option<String>,
    /// Input name, `[batch, frames, bands]`. The frames of a streamed trunk include the halo.
    pub input: String,
    /// Output name of a windowed trunk or the reference, `[batch, embedding_dim]`.
    pub embedding: String,
    /// Output name of the network's own labels, unused when scoring.
    pub activations: Option<String>,
    /// Embedding id that heads must declare.
    pub embedding_id: String,
    /// Number of values of an embedding.
    pub embedding_dim: usize,
    /// Mean and covariance of the embeddings of music, which training starts from.
    pub statistics: Option<String>,
    /// Frames of context before and after.
    pub halo: [usize; 2],
    /// Look-ahead, in milliseconds.
    pub lookahead_ms: f64,
    /// Maximum difference to the embedding of the reference.
    pub tolerance: f32,
    /// Output name of a streamed trunk, `[batch, frames, feature_dim]`.
    features: Option<String>,
    /// Number of features per frame.
    feature_dim: Option<usize>,
    /// Path of the pooling tensors.
    pooling: Option<String>,
    /// Divisor of the number of frames per run.
    block: Option<usize>,
    /// Log-mel value, after the input gain, of frames without audio.
    padding: Option<f32>,
}

/// Keys of `[trunk]` that only a streamed trunk has.
#[derive(Debug, Clone, Copy)]
pub struct StreamedEntry<'a> {
    /// Output name, `[batch, frames, feature_dim]`.
    pub features: &'a str,
    /// Number of features per frame.
    pub feature_dim: usize,
    /// Path of the pooling tensors.
    pub pooling: &'a str,
    /// Divisor of the number of frames per run.
    pub block: usize,
    /// Log-mel value, after the input gain, of frames without audio.
    pub padding: f32,
}

impl TrunkEntry {
    /// Returns the keys of a streamed trunk; `None` for a windowed one.
    ///
    /// # Errors
    /// A key is missing, out of range or not allowed; the message names it.
    pub fn streamed(&self) -> Result<Option<StreamedEntry<'_>>, String> {
        if self.kind == TrunkKind::Windowed {
            return match self.halo {
                [0, 0] => Ok(None),
                halo => Err(format!("trunk.halo is {halo:?}; a windowed trunk has [0, 0]")),
            };
        }
        let missing = |key: &str| format!("trunk.{key} is missing; a streamed trunk needs it");
        let entry = StreamedEntry {
            features: self.features.as_deref().ok_or_else(|| missing("features"))?,
            feature_dim: self.feature_dim.ok_or_else(|| missing("feature_dim"))?,
            pooling: self.pooling.as_deref().ok_or_else(|| missing("pooling"))?,
            block: self.block.ok_or_else(|| missing("block"))?,
            padding: self.padding.ok_or_else(|| missing("padding"))?,
        };
        let range =
            |key: &str, value: usize, range: std::ops::RangeInclusive<usize>| match range.contains(&value) {
                true => Ok(()),
                false => Err(format!("trunk.{key} is {value}, not {} to {}", range.start(), range.end())),
            };
        range("feature_dim", entry.feature_dim, 1..=100_000)?;
        range("block", entry.block, 1..=1000)?;
        range("halo", self.halo[0].max(self.halo[1]), 0..=10_000)?;
        if !entry.padding.is_finite() {
            return Err(format!("trunk.padding is {}, not a finite number", entry.padding));
        }
        Ok(Some(entry))
    }
}

/// `[golden]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenEntry {
    /// Path of the tensors `log_mel`, `embedding` and `scores.<head>`.
    pub file: String,
    /// Maximum absolute difference.
    pub tolerance: f32,
}

/// A folder with a model and its manifest.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// Path of the folder.
    pub folder: PathBuf,
    /// Parsed `manifest.toml`.
    pub manifest: Manifest,
    /// Front end that the trunk expects.
    pub front_end: LogMelParams,
}

impl Bundle {
    /// Finds a bundle by name or path and reads its manifest.
    ///
    /// A name is searched for in `GENRED_MODELS`, `<exe>/../../models` and
    /// `/usr/share/genred/models`.
    ///
    /// # Errors
    /// The bundle does not exist (the message lists the searched folders), or its manifest is
    /// invalid.
    pub fn open(name: &str) -> Result<Self, ModelError> {
        let folder = locate(name)?;
        let file = folder.join("manifest.toml");
        let wrong = |what: String| ModelError::Manifest { file: file.clone(), what };
        let text = std::fs::read_to_string(&file).map_err(|error| wrong(error.to_string()))?;
        let manifest: Manifest = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(wrong(format!(
                "format {} is not known to this version, which reads {FORMAT}",
                manifest.format
            )));
        }
        let front_end = manifest.front_end.params().map_err(&wrong)?;
        if !(2..=100_000).contains(&manifest.patch.frames) {
            return Err(wrong(format!("patch.frames is {}, not 2 to 100000", manifest.patch.frames)));
        }
        manifest.trunk.streamed().map_err(&wrong)?;
        if let Some(level) = &manifest.level {
            level.validate(front_end.bands).map_err(&wrong)?;
            if !matches!(front_end.compression, Compression::Log10OnePlus { .. }) {
                return Err(wrong("`level` needs the compression `log10_one_plus`".into()));
            }
        }
        let is_digest = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let Some(stray) = manifest.training.pcm_sha256.iter().find(|text| !is_digest(text)) {
            return Err(wrong(format!("training.pcm_sha256 holds `{stray}`, not 64 hexadecimal digits")));
        }
        Ok(Self { folder, manifest, front_end })
    }

    /// Input requirements of the trunk or of the reference. `min_run_s` as in
    /// [`ModelConfig`](super::ModelConfig).
    pub fn feed(&self, reference: bool, min_run_s: f64) -> Feed {
        let trunk = &self.manifest.trunk;
        // `Bundle::open` has rejected invalid entries.
        let streamed = trunk.streamed().ok().flatten().filter(|_| !reference).map(|entry| {
            let scale = match self.front_end.compression {
                Compression::Log10OnePlus { scale } => scale,
                _ => 1.0,
            };
            let level = self.manifest.level.as_ref();
            Streamed {
                before: trunk.halo[0],
                after: trunk.halo[1],
                block: entry.block,
                padding: entry.padding,
                level: level.map(|level| Level::new(level, self.front_end.bands, scale)),
                min_run_s,
            }
        });
        Feed { patch: self.patch_frames(), bands: self.front_end.bands, streamed }
    }

    /// Number of frames per patch.
    pub fn patch_frames(&self) -> usize {
        self.manifest.patch.frames
    }

    /// Names of the heads in the bundle, sorted.
    pub fn heads(&self) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(self.folder.join("heads"))
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".toml")?.to_owned()))
            .collect();
        names.sort();
        names
    }

    /// Reads a file of the bundle and verifies its checksum.
    ///
    /// # Errors
    /// The file has no checksum, cannot be read, or differs.
    pub fn read(&self, relative: &str) -> Result<Vec<u8>, ModelError> {
        let file = self.folder.join("manifest.toml");
        let wrong = |what: String| ModelError::Manifest { file: file.clone(), what };
        let listed = self
            .manifest
            .checksums
            .get(relative)
            .ok_or_else(|| wrong(format!("`{relative}` is used but has no checksum")))?;
        let path = self.folder.join(relative);
        let bytes = std::fs::read(&path).map_err(|error| wrong(format!("{}: {error}", path.display())))?;
        let found = sha256_hex(&bytes);
        if !found.eq_ignore_ascii_case(listed) {
            return Err(wrong(format!(
                "`{relative}` has the sha256 {found}, the manifest says {listed}; restore the bundle or regenerate it"
            )));
        }
        Ok(bytes)
    }
}

impl RawFrontEnd {
    fn params(&self) -> Result<LogMelParams, String> {
        let sample_rate = SampleRate::new(self.sample_rate).ok_or_else(|| {
            format!("front_end.sample_rate is {}, not 1 to {} Hz", self.sample_rate, SampleRate::MAX)
        })?;
        let spectrum = match self.power {
            1.0 => Spectrum::Magnitude,
            2.0 => Spectrum::Power,
            other => return Err(format!("front_end.power is {other}, not 1 or 2")),
        };
        let compression = match self.compression {
            RawCompression::Log10OnePlus { scale } => Compression::Log10OnePlus { scale },
            RawCompression::LnPlus { offset } => Compression::LnPlus { offset },
        };
        let params = LogMelParams {
            sample_rate,
            fft_size: self.fft_size,
            hop_length: self.hop_length,
            taper: self.taper,
            taper_length: self.taper_length,
            taper_padding: self.taper_padding,
            centred: self.centred,
            spectrum,
            bands: self.bands,
            mel_scale: self.mel_scale,
            mel_slope: self.mel_slope,
            mel_norm: self.mel_norm,
            f_min: self.f_min,
            f_max: self.f_max,
            compression,
        };
        params.validate().map_err(|error| error.to_string())?;
        Ok(params)
    }
}

/// Returns the SHA-256 in lower-case hexadecimal digits.
pub fn sha256_hex(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Returns `bytes` in lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn locate(name: &str) -> Result<PathBuf, ModelError> {
    if name.contains('/') || Path::new(name).join("manifest.toml").exists() {
        let folder = PathBuf::from(name);
        return if folder.join("manifest.toml").exists() {
            Ok(folder)
        } else {
            Err(ModelError::NotFound { name: name.into(), tried: folder.display().to_string() })
        };
    }
    let mut roots: Vec<PathBuf> = Vec::new();
    roots.extend(std::env::var_os("GENRED_MODELS").filter(|value| !value.is_empty()).map(PathBuf::from));
    roots.extend(
        std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.parent()?.parent()?.join("models"))),
    );
    roots.push("/usr/share/genred/models".into());
    let folders: Vec<PathBuf> = roots.iter().map(|root| root.join(name)).collect();
    folders.iter().find(|folder| folder.join("manifest.toml").exists()).cloned().ok_or_else(|| {
        ModelError::NotFound {
            name: name.into(),
            tried: folders.iter().map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(", "),
        }
    })
}
