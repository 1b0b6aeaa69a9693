//! Live capture through `cpal`.

#[cfg_attr(not(feature = "fuzzing"), allow(unreachable_pub, reason = "re-exported by `fuzz_api`"))]
pub(super) mod callback;
#[cfg(feature = "fuzzing")]
pub(super) mod callback_guard;
#[cfg(target_os = "linux")]
mod quiet;
#[cfg_attr(not(feature = "fuzzing"), allow(unreachable_pub, reason = "re-exported by `fuzz_api`"))]
pub(super) mod ring;

use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{BufferSize, Error, ErrorKind, FromSample, HostId, SampleFormat, SizedSample, StreamConfig};

use self::callback::{CaptureCallback, CaptureStatus};
use self::ring::{RingReader, ring};
use super::clock::Clock;
use super::{DeviceInfo, Read, Source, SourceError};
use crate::audio::{Block, SampleRate};
use crate::thread::{self, Stop};

/// Length of the ring buffer in seconds: the longest pause of the reader without loss.
const RING_SECONDS: f64 = 2.0;

/// The longest block in seconds.
const BLOCK_SECONDS: f64 = 0.04;

/// Period requested from the sound system, in seconds. PulseAudio's default collects two seconds.
const PERIOD_SECONDS: f64 = 0.05;

/// Polling interval of the ring buffer.
const LOOK: Duration = Duration::from_millis(10);

/// Time without samples after which a read returns [`Read::Idle`].
const PATIENCE: Duration = Duration::from_millis(250);

/// Times without a sample after which the source fails.
#[derive(Debug, Clone, Copy)]
pub(super) struct StallTimeouts {
    /// Before the first sample: sound servers need seconds to wake a device.
    pub(super) first: Duration,
    /// After the first sample.
    pub(super) later: Duration,
}

impl Default for StallTimeouts {
    fn default() -> Self {
        Self { first: Duration::from_secs(10), later: Duration::from_secs(5) }
    }
}

/// Opens the capture device `name` of the sound system `host`.
///
/// # Errors
/// Transient if the device may appear later, with a list of the present ones. Permanent if the
/// sound system is unknown or the device cannot capture.
pub(super) fn open(
    host: Option<&str>,
    name: &str,
    clock: Clock,
    stop: &Stop,
    stall: StallTimeouts,
) -> Result<DeviceSource, SourceError> {
    #[cfg(target_os = "linux")]
    let _messages = quiet::AlsaMessages::collect();
    // A host that lost its server never recovers, so each attempt creates a new one.
    let host = match host {
        Some(host) => named_host(host)?,
        None => first_host()?,
    };
    let device = find_device(&host, name)?;
    let address = format!("device:{}:{name}", host.id());
    let stream = start(&device).map_err(|error| not_opened(&address, &error))?;
    tracing::debug!(address, rate = %stream.rate, channels = stream.channels, "capturing");
    Ok(DeviceSource {
        address,
        stream: Some(stream),
        clock,
        stop: stop.clone(),
        stall,
        arrived: Instant::now(),
        started: false,
    })
}

/// Lists the capture devices of every reachable sound system.
///
/// # Errors
/// Transient if none can be reached.
pub(super) fn list() -> Result<Vec<DeviceInfo>, SourceError> {
    #[cfg(target_os = "linux")]
    let (_messages, _silence) = (quiet::AlsaMessages::collect(), quiet::SilentStderr::begin());
    let mut found = Vec::new();
    let mut failed = None;
    for id in cpal::available_hosts() {
        match cpal::host_from_id(id).and_then(|host| list_host(&host)) {
            Ok(devices) => found.extend(devices),
            Err(error) => failed = Some(unreachable(&id.to_string(), &error)),
        }
    }
    match failed {
        Some(error) if found.is_empty() => Err(error),
        _ => Ok(found),
    }
}

/// Looks up a capture device without opening it.
///
/// # Errors
/// See [`open`].
pub(super) fn find(host: Option<&str>, name: &str) -> Result<(), SourceError> {
    #[cfg(target_os = "linux")]
    let (_messages, _silence) = (quiet::AlsaMessages::collect(), quiet::SilentStderr::begin());
    let host = host.map_or_else(first_host, named_host)?;
    find_device(&host, name).map(|_| ())
}

fn list_host(host: &cpal::Host) -> Result<Vec<DeviceInfo>, Error> {
    let default = host.default_input_device().and_then(|device| device.id().ok());
    let describe = |device: cpal::Device| {
        let id = device.id().ok()?;
        let config = device.default_input_config().ok();
        Some(DeviceInfo {
            host: id.host().to_string(),
            id: id.id().to_owned(),
            name: device.description().map_or_else(|_| id.id().into(), |text| text.name().to_owned()),
            default: default.as_ref() == Some(&id),
            rate: config.as_ref().map(cpal::SupportedStreamConfig::sample_rate),
            channels: config.as_ref().map(cpal::SupportedStreamConfig::channels),
        })
    };
    Ok(host.input_devices()?.filter_map(describe).collect())
}

fn named_host(name: &str) -> Result<cpal::Host, SourceError> {
    let id = HostId::from_str(name).map_err(|_| {
        let known: Vec<_> = cpal::ALL_HOSTS.iter().map(|id| format!("`{id}`")).collect();
        SourceError::Permanent(format!(
            "the sound system `{name}` is not supported by this build; known are {}",
            known.join(", ")
        ))
    })?;
    cpal::host_from_id(id).map_err(|error| unreachable(name, &error))
}

/// Returns the first sound system that can be reached.
fn first_host() -> Result<cpal::Host, SourceError> {
    let mut last = None;
    for id in cpal::available_hosts() {
        match cpal::host_from_id(id) {
            Ok(host) => return Ok(host),
            Err(error) => last = Some(unreachable(&id.to_string(), &error)),
        }
    }
    Err(last.unwrap_or_else(|| no_device("no sound system was found")))
}

fn unreachable(host: &str, error: &Error) -> SourceError {
    SourceError::Transient(format!("the sound system `{host}` cannot be reached: {error}"))
}

fn no_device(why: &str) -> SourceError {
    SourceError::Transient(format!(
        "no capture device can be opened ({why}); plug one in, or give an audio file or `-` (standard input) instead, as in `genred run song.mp3`"
    ))
}

/// Finds a device by id, else by its description, ignoring case.
fn find_device(host: &cpal::Host, name: &str) -> Result<cpal::Device, SourceError> {
    if name == "default" {
        let device = host.default_input_device().ok_or_else(|| no_device("none is known"))?;
        return match device.default_input_config() {
            Ok(_) => Ok(device),
            Err(error) => Err(no_device(&error.to_string())),
        };
    }
    if let Some(device) = host.device_by_id(&cpal::DeviceId::new(host.id(), name)) {
        return Ok(device);
    }
    let devices: Vec<_> =
        host.input_devices().map_err(|error| unreachable(&host.id().to_string(), &error))?.collect();
    let matches = |device: &cpal::Device| {
        device.id().is_ok_and(|id| id.id().eq_ignore_ascii_case(name))
            || device.description().is_ok_and(|text| text.name().eq_ignore_ascii_case(name))
    };
    if let Some(device) = devices.iter().find(|device| matches(device)) {
        return Ok(device.clone());
    }
    let known: Vec<_> = devices
        .iter()
        .filter_map(|device| device.id().ok())
        .map(|id| format!("`device:{}:{}`", id.host(), id.id()))
        .collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    Err(SourceError::Transient(format!(
        "there is no capture device `{name}` on `{}`; found: {known} (`genred devices` lists all)",
        host.id()
    )))
}

fn not_opened(address: &str, error: &Error) -> SourceError {
    match error.kind() {
        ErrorKind::UnsupportedOperation | ErrorKind::UnsupportedConfig | ErrorKind::InvalidInput => {
            SourceError::Permanent(format!(
                "`{address}` cannot capture: {error}; `genred devices` lists those that can"
            ))
        }
        ErrorKind::PermissionDenied => SourceError::Permanent(format!(
            "`{address}` cannot be opened: {error}; the user may have to be in the group `audio`"
        )),
        _ => SourceError::Transient(format!("`{address}` cannot be opened: {error}")),
    }
}

/// Running capture stream and the reading end of its ring.
struct CaptureStream {
    /// Dropping it ends the capture.
    stream: Option<cpal::Stream>,
    reader: RingReader,
    shared: Arc<CaptureStatus>,
    rate: SampleRate,
    channels: u16,
}

impl Drop for CaptureStream {
    fn drop(&mut self) {
        // Dropping the stream joins the sound system's threads, which hang if the server hangs.
        let stream = self.stream.take();
        if let Ok(ending) = thread::spawn("capture-end", move || drop(stream)) {
            thread::join_by(ending, Instant::now() + PATIENCE);
        }
    }
}

fn start(device: &cpal::Device) -> Result<CaptureStream, Error> {
    let supported = device.default_input_config()?;
    let mut config = supported.config();
    let rate = SampleRate::new(config.sample_rate)
        .ok_or_else(|| Error::with_message(ErrorKind::UnsupportedConfig, "it has no usable sample rate"))?;
    let period = rate.samples(PERIOD_SECONDS) as u32;
    config.buffer_size = match supported.buffer_size() {
        cpal::SupportedBufferSize::Range { min, max } if min <= max => {
            BufferSize::Fixed(period.clamp(*min, *max))
        }
        _ => BufferSize::Fixed(period),
    };
    build(device, config, supported.sample_format(), rate).or_else(|error| {
        if error.kind() != ErrorKind::UnsupportedConfig {
            return Err(error);
        }
        config.buffer_size = BufferSize::Default;
        build(device, config, supported.sample_format(), rate)
    })
}

fn build(
    device: &cpal::Device,
    config: StreamConfig,
    format: SampleFormat,
    rate: SampleRate,
) -> Result<CaptureStream, Error> {
    let (writer, reader) = ring(config.channels, rate.samples(RING_SECONDS) as usize);
    let shared = Arc::new(CaptureStatus::default());
    let callback = CaptureCallback::new(writer, shared.clone());
    let stream = match format {
        SampleFormat::I8 => stream::<i8>(device, config, callback, &shared),
        SampleFormat::I16 => stream::<i16>(device, config, callback, &shared),
        SampleFormat::I24 => stream::<cpal::I24>(device, config, callback, &shared),
        SampleFormat::I32 => stream::<i32>(device, config, callback, &shared),
        SampleFormat::U8 => stream::<u8>(device, config, callback, &shared),
        SampleFormat::U16 => stream::<u16>(device, config, callback, &shared),
        SampleFormat::U32 => stream::<u32>(device, config, callback, &shared),
        SampleFormat::F32 => stream::<f32>(device, config, callback, &shared),
        SampleFormat::F64 => stream::<f64>(device, config, callback, &shared),
        other => Err(Error::with_message(
            ErrorKind::UnsupportedConfig,
            format!("its sample format {other} is not supported"),
        )),
    }?;
    stream.play()?;
    Ok(CaptureStream { stream: Some(stream), reader, shared, rate, channels: config.channels })
}

fn stream<T: SizedSample>(
    device: &cpal::Device,
    config: StreamConfig,
    mut callback: CaptureCallback,
    shared: &Arc<CaptureStatus>,
) -> Result<cpal::Stream, Error>
where
    f32: FromSample<T>,
{
    let shared = shared.clone();
    device.build_input_stream(
        config,
        move |data: &[T], _: &_| {
            #[cfg(feature = "fuzzing")]
            callback_guard::run(&mut || callback.write(data));
            #[cfg(not(feature = "fuzzing"))]
            callback.write(data);
        },
        move |error: Error| shared.report(error.kind()),
        Some(Duration::from_secs(5)),
    )
}

/// Open capture device.
pub(super) struct DeviceSource {
    address: String,
    /// `None` after a failure.
    stream: Option<CaptureStream>,
    clock: Clock,
    stop: Stop,
    stall: StallTimeouts,
    /// Time of the last read that returned samples.
    arrived: Instant,
    started: bool,
}

impl DeviceSource {
    /// Stops the capture at once, because a broken stream may report errors without end.
    fn fail(&mut self, message: String) -> Result<Read, SourceError> {
        self.stream = None;
        Err(SourceError::Transient(message))
    }
}

impl Source for DeviceSource {
    fn read(&mut self, block: &mut Block) -> Result<Read, SourceError> {
        let called = Instant::now();
        loop {
            if self.stop.is_set() {
                return Ok(Read::End);
            }
            let Some(stream) = &mut self.stream else { return Ok(Read::End) };
            if let Some(failure) = stream.shared.failure() {
                let message = format!("`{}` failed: {failure}", self.address);
                return self.fail(message);
            }
            let waiting = stream.reader.available() as u64;
            let most = stream.rate.samples(BLOCK_SECONDS).max(1) as usize;
            if stream.reader.read(block, most) {
                block.rate = stream.rate;
                self.arrived = Instant::now();
                self.started = true;
                self.clock.stamp(block, Duration::from_secs_f64(stream.rate.seconds(waiting)));
                return Ok(Read::Audio);
            }
            let patience = if self.started { self.stall.later } else { self.stall.first };
            if self.arrived.elapsed() > patience {
                let message =
                    format!("no audio arrives from `{}` for {} s", self.address, patience.as_secs());
                return self.fail(message);
            }
            if called.elapsed() > PATIENCE {
                return Ok(Read::Idle);
            }
            if self.stop.wait(LOOK) {
                return Ok(Read::End);
            }
        }
    }

    fn xruns(&self) -> u64 {
        self.stream.as_ref().map_or(0, |stream| stream.shared.overruns())
    }
}
