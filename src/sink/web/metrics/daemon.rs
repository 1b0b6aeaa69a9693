//! Metrics of the daemon as a whole.

use std::fmt;

use prometheus_client::registry::Unit;

use super::family::{MetricFamily, MetricWriter};
use crate::counters::Histogram;
use crate::event::DaemonInfo;
use crate::status::DaemonStatus;
use crate::usage;

/// Writes the metrics of the daemon.
pub(super) fn encode(writer: &mut MetricWriter<'_>, status: &DaemonStatus, info: &DaemonInfo) -> fmt::Result {
    writer.gauges(
        MetricFamily::new("genred_build_info", "Version of the program; always 1"),
        [([("version", info.version)], 1.0)],
    )?;
    writer.gauges(
        MetricFamily::new(
            "genred_model_info",
            "Model, head and execution provider (`cpu` or `cuda`) in use; always 1",
        ),
        [(
            [("model", &*info.model), ("head", &*info.head), ("execution_provider", info.execution_provider)],
            1.0,
        )],
    )?;
    writer.gauge(
        MetricFamily::in_unit("genred_hop", Unit::Seconds, "Configured interval between patches"),
        Some(info.hop_s),
    )?;
    inference(writer, status, info)?;
    outputs(writer, status)?;
    process(writer, info)
}

fn inference(writer: &mut MetricWriter<'_>, status: &DaemonStatus, info: &DaemonInfo) -> fmt::Result {
    let counters = &status.inference;
    let (patches, busy_s) = (counters.patches.get() as f64, counters.busy_ns.get() as f64 / 1e9);
    writer.counter(MetricFamily::new("genred_inference_patches", "Patches scored by the model"), patches)?;
    writer.counter(
        MetricFamily::in_unit("genred_inference_busy", Unit::Seconds, "Time spent inside the model"),
        busy_s,
    )?;
    writer.gauge(
        MetricFamily::new(
            "genred_inference_realtime_factor",
            "Seconds of audio scored per second inside the model since the start",
        ),
        (busy_s > 0.0).then_some(patches * info.hop_s / busy_s),
    )?;
    let pending: u64 = status.sources.iter().map(|source| source.counters.pending()).sum();
    writer.gauge(
        MetricFamily::new(
            "genred_inference_queue_patches",
            "Patches that wait for inference or are being scored",
        ),
        Some(pending as f64),
    )?;
    let latencies = status.sources.iter().map(|source| &source.counters.latency);
    writer.histogram(
        MetricFamily::in_unit(
            "genred_patch_latency",
            Unit::Seconds,
            "Time from the arrival of the last sample of a patch to its decision, or to the \
             acknowledgement of the message that it caused",
        ),
        &Histogram::totals_of(latencies),
    )
}

/// MQTT and the as-run log; families of a disabled one are left out.
fn outputs(writer: &mut MetricWriter<'_>, status: &DaemonStatus) -> fmt::Result {
    if let Some(mqtt) = &status.mqtt {
        writer.gauge(
            MetricFamily::new("genred_mqtt_connected", "1 while the MQTT broker is connected"),
            Some(f64::from(u8::from(mqtt.connected.is_set()))),
        )?;
        writer.counter(
            MetricFamily::new("genred_mqtt_connections", "Connections made to the MQTT broker"),
            mqtt.connections.get() as f64,
        )?;
        writer.gauge(
            MetricFamily::new(
                "genred_mqtt_outbox_events",
                "Events that wait for the acknowledgement of the MQTT broker",
            ),
            Some(mqtt.outbox.get() as f64),
        )?;
        writer.counter(
            MetricFamily::new("genred_mqtt_events_dropped", "Events dropped because the outbox was full"),
            mqtt.events_dropped.get() as f64,
        )?;
        writer.counter(
            MetricFamily::new("genred_mqtt_windows_dropped", "Patch results that were not published"),
            mqtt.windows_dropped.get() as f64,
        )?;
    }
    let log = status.log.as_ref().map(|log| f64::from(u8::from(!log.failing.is_set())));
    writer.gauge(MetricFamily::new("genred_log_writable", "1 while the as-run log can be written"), log)
}

/// Metrics of the process, with their customary names.
fn process(writer: &mut MetricWriter<'_>, info: &DaemonInfo) -> fmt::Result {
    writer.counter(
        MetricFamily::in_unit("process_cpu", Unit::Seconds, "Processor time of the process"),
        usage::cpu_seconds(),
    )?;
    writer.gauge(
        MetricFamily::in_unit("process_resident_memory", Unit::Bytes, "Resident memory of the process"),
        usage::resident_bytes().map(|bytes| bytes as f64),
    )?;
    writer.gauge(
        MetricFamily::in_unit("process_start_time", Unit::Seconds, "Start of the process, as Unix time"),
        Some(info.started.as_millisecond() as f64 / 1000.0),
    )
}
