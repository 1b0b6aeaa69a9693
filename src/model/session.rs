//! ONNX Runtime: loading the library, selecting the provider, running the trunk.
//!
//! The only file that imports `ort`. The library is loaded at run time, so that one binary serves
//! machines with and without a GPU.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;
use ort::ep;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::builder::GraphOptimizationLevel;
use ort::session::{IoBinding, Session, SessionOutputs};
use ort::value::{Tensor, TensorRef};

use super::config::Provider;
use super::error::ModelError;
use super::manifest::Bundle;
use super::trunk_entry::TrunkEntry;

/// File name of the library in the wheel and in distributions.
const LIBRARY: &str = "libonnxruntime.so";
/// File name of the plugin with the CUDA provider.
const CUDA_PLUGIN: &str = "libonnxruntime_providers_cuda.so";

/// ONNX Runtime allows one environment per process; it lives until the process ends.
static ENVIRONMENT: OnceLock<(PathBuf, Environment)> = OnceLock::new();

/// The loaded library.
#[derive(Debug, Clone)]
pub struct Runtime {
    path: PathBuf,
}

impl Runtime {
    /// Loads the library from `ORT_DYLIB_PATH`, `configured`, `<exe>/lib`, `/usr/lib/genred` or the
    /// system's library path, in this order. Later calls return the library of the first one.
    ///
    /// # Errors
    /// No library could be loaded; the message lists every path that was tried.
    pub fn load(configured: Option<&Path>) -> Result<Self, ModelError> {
        if let Some((path, _)) = ENVIRONMENT.get() {
            return Ok(Self { path: path.clone() });
        }
        let mut tried = Vec::new();
        for path in candidates(configured) {
            // The dynamic linker resolves a bare file name; other paths must exist.
            if path.components().count() > 1 && !path.exists() {
                tried.push(format!("{} (not there)", path.display()));
                continue;
            }
            match ort::init_from(&path) {
                Ok(builder) => {
                    let environment =
                        builder.with_name("genred").with_telemetry(false).build().map_err(|error| {
                            ModelError::Runtime(format!("{} does not start: {error}", path.display()))
                        })?;
                    let (path, _) = ENVIRONMENT.get_or_init(|| (path, environment));
                    return Ok(Self { path: path.clone() });
                }
                Err(error) => tried.push(format!("{} ({error})", path.display())),
            }
        }
        Err(ModelError::Runtime(format!(
            "no ONNX Runtime was found; tried {}; run `scripts/setup.sh` or set ORT_DYLIB_PATH",
            tried.join(", ")
        )))
    }

    /// Returns the path that the library was loaded from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns whether the CUDA provider's plugin is in the library's folder. A driver or a GPU may
    /// still be missing.
    pub fn has_cuda_plugin(&self) -> bool {
        let resolved = self.path.canonicalize().unwrap_or_else(|_| self.path.clone());
        resolved.parent().is_some_and(|folder| folder.join(CUDA_PLUGIN).exists())
    }
}

fn candidates(configured: Option<&Path>) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = Vec::new();
    paths.extend(std::env::var_os("ORT_DYLIB_PATH").filter(|value| !value.is_empty()).map(PathBuf::from));
    paths.extend(configured.map(Path::to_path_buf));
    if let Some(folder) = std::env::current_exe().ok().and_then(|exe| exe.parent().map(Path::to_path_buf)) {
        paths.push(folder.join("lib").join(LIBRARY));
    }
    paths.push(Path::new("/usr/lib/genred").join(LIBRARY));
    paths.push(PathBuf::from(LIBRARY));
    paths
}

/// Expected tensor names and sizes of the trunk.
#[derive(Debug, Clone)]
pub(super) struct Signature {
    /// Name of the input, float32 `[batch, frames, bands]`.
    pub input: String,
    /// Name of the output, float32 `[…, values]`.
    pub output: String,
    /// Rows per input, including the halo; `None` if variable.
    pub rows: Option<usize>,
    /// Mel bands per row.
    pub bands: usize,
    /// Values per embedding, or features per frame.
    pub values: usize,
    /// Manifest key of `values`, for error messages.
    pub values_key: &'static str,
}

impl Signature {
    /// Tensors that a trunk of `bundle` must have.
    pub(super) fn new(bundle: &Bundle, trunk: TrunkEntry<'_>) -> Self {
        let bands = bundle.front_end.bands;
        match trunk {
            TrunkEntry::Streamed(trunk) => Self {
                input: trunk.input.clone(),
                output: trunk.output.clone(),
                rows: None,
                bands,
                values: trunk.feature_dim,
                values_key: "trunk.streamed.feature_dim",
            },
            TrunkEntry::Windowed(trunk) => Self {
                input: trunk.input.clone(),
                output: trunk.output.clone(),
                rows: Some(bundle.patch_frames()),
                bands,
                values: bundle.manifest.embedding.dim,
                values_key: "embedding.dim",
            },
        }
    }
}

/// A trunk in memory, on one provider. `run` takes `&mut self`: one thread owns it.
pub(super) struct TrunkSession {
    session: Session,
    signature: Signature,
    /// GPU only: pinned buffers by batch size and rows. The CPU reads inputs in place.
    bound: Option<HashMap<[usize; 2], Bound>>,
}

/// Input of one size in memory that the GPU reads directly, and its binding.
struct Bound {
    input: Tensor<f32>,
    binding: IoBinding,
}

/// Maximum number of input sizes with bound buffers.
const BOUND: usize = 64;

impl TrunkSession {
    /// Loads a model file for `provider`.
    ///
    /// # Errors
    /// The provider cannot start, the file is not a model, or its tensors do not fit `signature`.
    pub(super) fn open(
        runtime: &Runtime,
        model: &[u8],
        provider: Provider,
        threads: usize,
        signature: Signature,
    ) -> Result<Self, ModelError> {
        let Some((_, environment)) = ENVIRONMENT.get() else {
            return Err(ModelError::Runtime("the runtime is not loaded".into()));
        };
        let providers = match provider {
            Provider::Cpu => vec![ep::CPU::default().build()],
            // Full float32: the 10-bit mantissa of TF32 would fail the golden check. Without
            // `error_on_failure`, ONNX Runtime falls back to the CPU silently.
            Provider::Cuda => vec![ep::CUDA::default().with_tf32(false).build().error_on_failure()],
        };
        let failed = |error: &dyn std::fmt::Display| {
            let mut reason = first_line(error);
            if provider == Provider::Cuda && !runtime.has_cuda_plugin() {
                reason += &format!(" (there is no `{CUDA_PLUGIN}` beside {})", runtime.path.display());
            }
            ModelError::Provider { provider, reason }
        };
        let session = (|| -> Result<Session, Box<dyn std::error::Error>> {
            let mut builder = Session::builder(environment)?
                .with_optimization_level(GraphOptimizationLevel::All)?
                .with_intra_threads(threads)?
                .with_intra_op_spinning(false)?
                .with_execution_providers(providers)?;
            Ok(builder.commit_from_memory(model)?)
        })()
        .map_err(|error| failed(&error))?;
        check_signature(&session, &signature)?;
        let bound = (provider == Provider::Cuda).then(HashMap::new);
        Ok(Self { session, signature, bound })
    }

    /// Runs the trunk on `batch` inputs of one size, `log_mel` `[batch, rows, bands]` row-major,
    /// and appends its output, row-major, to `output`.
    ///
    /// # Errors
    /// The sizes do not fit or the runtime fails.
    pub(super) fn run(
        &mut self,
        log_mel: &[f32],
        batch: usize,
        output: &mut Vec<f32>,
    ) -> Result<(), ModelError> {
        let Signature { bands, values, rows: fixed, .. } = self.signature;
        let rows = log_mel.len() / bands / batch.max(1);
        let shape = [batch, rows, bands];
        let outputs = match &mut self.bound {
            None => TensorRef::from_array_view((shape, log_mel))
                .and_then(|tensor| self.session.run(ort::inputs![self.signature.input.as_str() => tensor])),
            Some(bound) => run_bound(&mut self.session, bound, &self.signature, shape, log_mel),
        };
        let outputs = outputs.map_err(|error| ModelError::Run(first_line(&error)))?;
        let (_, found) = outputs[self.signature.output.as_str()]
            .try_extract_tensor::<f32>()
            .map_err(|error| ModelError::Run(first_line(&error)))?;
        // A windowed trunk returns one embedding per patch. The caller checks the number of frames
        // of a streamed one.
        let fits = match fixed {
            Some(_) => found.len() == batch * values,
            None => !found.is_empty() && found.len() % (batch * values) == 0,
        };
        if !fits {
            return Err(ModelError::Run(format!(
                "the output holds {} values for {batch} inputs, not {values} each",
                found.len()
            )));
        }
        output.extend_from_slice(found);
        Ok(())
    }
}

/// Runs with buffers that are reused between runs and pinned if the session is on a GPU.
fn run_bound<'s>(
    session: &'s mut Session,
    bound: &'s mut HashMap<[usize; 2], Bound>,
    signature: &Signature,
    shape: [usize; 3],
    log_mel: &[f32],
) -> ort::Result<SessionOutputs<'s>> {
    let key = [shape[0], shape[1]];
    if !bound.contains_key(&key) {
        if bound.len() == BOUND
            && let Some(other) = bound.keys().next().copied()
        {
            bound.remove(&other);
        }
        bound.insert(key, Bound::new(session, signature, shape)?);
    }
    let Bound { input, binding } = bound.get_mut(&key).ok_or_else(|| ort::Error::new("no buffers"))?;
    input.extract_tensor_mut().1.copy_from_slice(log_mel);
    // `bind_input` copies the input to the GPU.
    binding.bind_input(signature.input.as_str(), input)?;
    session.run_binding(binding)
}

impl Bound {
    fn new(session: &Session, signature: &Signature, shape: [usize; 3]) -> ort::Result<Self> {
        let pinned = |kind| MemoryInfo::new(AllocationDevice::CUDA_PINNED, 0, AllocatorType::Device, kind);
        let on_card = pinned(MemoryType::CPUInput).and_then(|info| Allocator::new(session, info));
        // Tests run without a GPU and without pinned memory; they use CPU memory.
        let (allocator, output) = match on_card {
            Ok(allocator) => (allocator, pinned(MemoryType::CPUOutput)?),
            Err(_) => {
                let kind = MemoryType::CPUOutput;
                let info = MemoryInfo::new(AllocationDevice::CPU, 0, AllocatorType::Device, kind)?;
                (Allocator::default(), info)
            }
        };
        let input = Tensor::<f32>::new(&allocator, shape)?;
        let mut binding = session.create_binding()?;
        binding.bind_output_to_device(signature.output.as_str(), &output)?;
        Ok(Self { input, binding })
    }
}

fn check_signature(session: &Session, signature: &Signature) -> Result<(), ModelError> {
    let shape_of = |outlets: &[ort::value::Outlet], name: &str| -> Option<Vec<i64>> {
        outlets
            .iter()
            .find(|outlet| outlet.name() == name)?
            .dtype()
            .tensor_shape()
            .map(|shape| shape.to_vec())
    };
    let input = shape_of(session.inputs(), &signature.input).ok_or_else(|| {
        ModelError::Mismatch(format!("the model has no tensor input `{}`", signature.input))
    })?;
    let rows = signature.rows.map_or(-1, |rows| rows as i64);
    if input.len() != 3 || input[1..] != [rows, signature.bands as i64] {
        return Err(ModelError::Mismatch(format!(
            "the model's input `{}` has shape {input:?}, the manifest says [batch, {rows}, {}]",
            signature.input, signature.bands
        )));
    }
    if input[0] > 0 {
        return Err(ModelError::Mismatch(format!(
            "the model's batch axis is fixed to {}; export it dynamic",
            input[0]
        )));
    }
    let output = shape_of(session.outputs(), &signature.output).ok_or_else(|| {
        ModelError::Mismatch(format!("the model has no tensor output `{}`", signature.output))
    })?;
    if output.last() != Some(&(signature.values as i64)) {
        return Err(ModelError::Mismatch(format!(
            "the model's output `{}` has shape {output:?}, the manifest says {} = {}",
            signature.output, signature.values_key, signature.values
        )));
    }
    Ok(())
}

/// Returns the first line of a runtime error. Further lines hold source paths and stack traces.
fn first_line(error: &dyn std::fmt::Display) -> String {
    error.to_string().lines().next().unwrap_or_default().trim().trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs the GPU's code path on the CPU: earlier contents of the buffers do not affect the
    /// output.
    #[test]
    fn bound_buffers_give_the_same_answers() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let runtime = Runtime::load(Some(&root.join(".cache/onnxruntime/libonnxruntime.so"))).unwrap();
        let bundle = Bundle::open(root.join("models/musicnn-msd").to_str().unwrap()).unwrap();
        let bytes = bundle.read("streamed.onnx").unwrap();
        let signature = Signature::new(&bundle, bundle.trunk(None).unwrap());
        let mut plain = TrunkSession::open(&runtime, &bytes, Provider::Cpu, 1, signature).unwrap();
        let mut bound =
            TrunkSession::open(&runtime, &bytes, Provider::Cpu, 1, plain.signature.clone()).unwrap();
        bound.bound = Some(HashMap::new());
        for (seed, batch, frames) in [(1, 1, 63), (2, 1, 63), (3, 2, 9), (4, 1, 63), (5, 3, 189)] {
            let values = batch * (frames + 113) * 96;
            let rows: Vec<f32> = (0..values).map(|n| ((n * seed) % 97) as f32 / 30.0).collect();
            let (mut expected, mut found) = (Vec::new(), Vec::new());
            plain.run(&rows, batch, &mut expected).unwrap();
            bound.run(&rows, batch, &mut found).unwrap();
            assert_eq!(expected.len(), batch * frames * 212);
            assert!(expected == found, "batch {batch}, {frames} frames");
        }
    }
}
