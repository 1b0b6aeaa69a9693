//! The bundle's manifest: front end, trunks, checksums.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::error::ModelError;
use super::level::GainNormalizer;
use super::stream::{Feed, Streamed};
use super::trunk_entry::{TrunkEntry, TrunkKind, TrunkTable};
use crate::audio::SampleRate;
use crate::dsp::{Compression, LogMelParams, MelNorm, MelScale, MelSlope, Spectrum, Taper, TaperPadding};
use crate::limits::{ConfigError, Limit};

/// The manifest format that is read. Format 1 had one trunk per bundle.
const FORMAT: u32 = 2;

const PATCH_FRAMES: Limit = Limit::new("patch.frames", 2.0, 100_000.0, "");

/// `manifest.toml`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    #[serde(rename = "format")]
    _format: u32,
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
    /// File that lists the training material; [`Bundle::training`] reads it.
    pub training: Option<String>,
    front_end: RawFrontEnd,
    patch: RawPatch,
    /// Output of every trunk, and input of every head.
    pub embedding: EmbeddingEntry,
    trunk: TrunkTable,
    /// Patches with known answers.
    pub golden: GoldenEntry,
    checksums: BTreeMap<String, String>,
}

/// Training material of a bundle, which an evaluation must not be made of. Other keys say how the
/// training went.
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

/// `[embedding]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EmbeddingEntry {
    /// Name of the embedding; a head works with every trunk that provides it.
    pub id: String,
    /// Values of an embedding.
    pub dim: usize,
    /// Mean and covariance of the embeddings of music, which training starts from.
    pub statistics: Option<String>,
}

/// `[golden]`
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenEntry {
    /// Tensors `log_mel` and `samples`, and for each trunk `TRUNK.embedding` and
    /// `TRUNK.scores.HEAD`.
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
        check_format(&text).map_err(|error| wrong(error.to_string()))?;
        let manifest: Manifest = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        let front_end = manifest.front_end.params().map_err(|error| wrong(error.to_string()))?;
        front_end.validate().map_err(|error| wrong(error.to_string()))?;
        PATCH_FRAMES.check(manifest.patch.frames as f64).map_err(|error| wrong(error.to_string()))?;
        match &manifest.trunk {
            TrunkTable { streamed: None, windowed: None } => {
                return Err(wrong("there is neither `trunk.streamed` nor `trunk.windowed`".into()));
            }
            TrunkTable { streamed: Some(trunk), .. } => {
                trunk.validate(&front_end).map_err(|error| wrong(error.to_string()))?;
            }
            TrunkTable { .. } => {}
        }
        Ok(Self { folder, manifest, front_end })
    }

    /// Trunk of the kind `wanted`; by default the streamed one, or the only one.
    ///
    /// # Errors
    /// The bundle has no trunk of that kind.
    pub fn trunk(&self, wanted: Option<TrunkKind>) -> Result<TrunkEntry<'_>, ModelError> {
        let TrunkTable { streamed, windowed } = &self.manifest.trunk;
        let streamed = streamed.as_ref().map(TrunkEntry::Streamed);
        let windowed = windowed.as_ref().map(TrunkEntry::Windowed);
        let found = match wanted {
            Some(TrunkKind::Streamed) => streamed,
            Some(TrunkKind::Windowed) => windowed,
            None => streamed.or(windowed),
        };
        found.ok_or_else(|| ModelError::Manifest {
            file: self.folder.join("manifest.toml"),
            what: format!(
                "`model.trunk` is `{}`, and the bundle has no such trunk; leave it out",
                wanted.map_or("", TrunkKind::as_str)
            ),
        })
    }

    /// Reads the list of the training material; it is empty where the bundle has none.
    ///
    /// # Errors
    /// The file is damaged.
    pub fn training(&self) -> Result<TrainingEntry, ModelError> {
        let Some(path) = &self.manifest.training else { return Ok(TrainingEntry::default()) };
        let wrong = |what: String| ModelError::Manifest { file: self.folder.join(path), what };
        let bytes = self.read(path)?;
        let entry: TrainingEntry = toml::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
        let is_digest = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if let Some(stray) = entry.pcm_sha256.iter().find(|text| !is_digest(text)) {
            return Err(wrong(format!("pcm_sha256 holds `{stray}`, not 64 hexadecimal digits")));
        }
        Ok(entry)
    }

    /// Input of a trunk; `min_run_s` as in [`ModelConfig`](super::ModelConfig).
    pub fn feed(&self, trunk: TrunkEntry<'_>, min_run_s: f64) -> Feed {
        let streamed = match trunk {
            TrunkEntry::Windowed(_) => None,
            TrunkEntry::Streamed(trunk) => Some(Streamed {
                before: trunk.halo[0],
                after: trunk.halo[1],
                block: trunk.block,
                padding: trunk.padding,
                level: trunk.level.as_ref().map(|level| {
                    let scale = match self.front_end.compression {
                        Compression::Log10OnePlus { scale } => scale,
                        _ => 1.0,
                    };
                    GainNormalizer::new(level, self.front_end.bands, scale)
                }),
                min_run_s,
            }),
        };
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
    fn params(&self) -> Result<LogMelParams, ConfigError> {
        let sample_rate = SampleRate::new(self.sample_rate).ok_or_else(|| {
            let expected = format!("1 to {} Hz", SampleRate::MAX);
            ConfigError::new("front_end.sample_rate", self.sample_rate, expected)
        })?;
        let spectrum = match self.power {
            1.0 => Spectrum::Magnitude,
            2.0 => Spectrum::Power,
            other => return Err(ConfigError::new("front_end.power", other, "1 or 2")),
        };
        let compression = match self.compression {
            RawCompression::Log10OnePlus { scale } => Compression::Log10OnePlus { scale },
            RawCompression::LnPlus { offset } => Compression::LnPlus { offset },
        };
        Ok(LogMelParams {
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
        })
    }
}

/// Manifest of another format.
#[derive(Debug, thiserror::Error)]
enum FormatError {
    #[error("{0}")]
    Unreadable(#[from] toml::de::Error),
    #[error(
        "format 1 is the layout of an earlier build, with one trunk per bundle; this one reads format {FORMAT}: \
         make the bundle again with `genred train`, from the `musicnn-msd` of this build"
    )]
    Earlier,
    #[error("format {0} is not known to this version, which reads {FORMAT}")]
    Unknown(u32),
}

/// Checks the format before any other key: each has keys of its own.
fn check_format(text: &str) -> Result<(), FormatError> {
    #[derive(Deserialize)]
    struct Version {
        format: u32,
    }
    match toml::from_str(text)? {
        Version { format: FORMAT } => Ok(()),
        Version { format: 1 } => Err(FormatError::Earlier),
        Version { format } => Err(FormatError::Unknown(format)),
    }
}

/// Lower-case hexadecimal SHA-256.
pub(super) fn sha256_hex(bytes: &[u8]) -> String {
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
