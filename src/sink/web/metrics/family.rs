//! Families of metrics: a name, its help, and a value per set of labels.

use std::fmt;

use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

use crate::counters::HistogramTotals;

/// Name, unit and help of a family.
#[derive(Debug, Clone)]
pub(super) struct MetricFamily {
    /// Name without the unit and without `_total`.
    pub(super) name: &'static str,
    /// Unit, which is appended to the name.
    pub(super) unit: Option<Unit>,
    /// Help.
    pub(super) help: &'static str,
}

impl MetricFamily {
    pub(super) fn new(name: &'static str, help: &'static str) -> Self {
        Self { name, unit: None, help }
    }

    pub(super) fn in_unit(name: &'static str, unit: Unit, help: &'static str) -> Self {
        Self { unit: Some(unit), ..Self::new(name, help) }
    }
}

/// Labels of one value: names and texts.
pub(super) type MetricLabels<'a, const N: usize> = [(&'static str, &'a str); N];

/// Writes families one after another.
pub(super) struct MetricWriter<'a>(DescriptorEncoder<'a>);

impl<'a> MetricWriter<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self(encoder)
    }

    /// Writes a gauge for each of `values`; nothing if there are none.
    pub(super) fn gauges<'l, const N: usize>(
        &mut self,
        family: MetricFamily,
        values: impl IntoIterator<Item = (MetricLabels<'l, N>, f64)>,
    ) -> fmt::Result {
        let values = values.into_iter().map(|(labels, value)| (labels, ConstGauge::new(value)));
        self.family(&family, MetricType::Gauge, values)
    }

    /// Writes a counter for each of `values`; nothing if there are none.
    pub(super) fn counters<'l, const N: usize>(
        &mut self,
        family: MetricFamily,
        values: impl IntoIterator<Item = (MetricLabels<'l, N>, f64)>,
    ) -> fmt::Result {
        let values = values.into_iter().map(|(labels, value)| (labels, ConstCounter::new(value)));
        self.family(&family, MetricType::Counter, values)
    }

    /// Writes a single gauge without labels, if there is a value.
    pub(super) fn gauge(&mut self, family: MetricFamily, value: Option<f64>) -> fmt::Result {
        let Some(value) = value else { return Ok(()) };
        let mut encoder = self.descriptor(&family, MetricType::Gauge)?;
        encoder.encode_gauge(&value)
    }

    /// Writes a single counter without labels.
    pub(super) fn counter(&mut self, family: MetricFamily, value: f64) -> fmt::Result {
        let mut encoder = self.descriptor(&family, MetricType::Counter)?;
        encoder.encode_counter::<NoLabelSet, f64, u64>(&value, None)
    }

    /// Writes a single histogram without labels.
    pub(super) fn histogram(&mut self, family: MetricFamily, totals: &HistogramTotals) -> fmt::Result {
        let mut encoder = self.descriptor(&family, MetricType::Histogram)?;
        encoder.encode_histogram::<NoLabelSet>(totals.sum_s, totals.count, &totals.buckets, None)
    }

    fn family<'l, const N: usize, M: EncodeMetric>(
        &mut self,
        family: &MetricFamily,
        metric_type: MetricType,
        values: impl Iterator<Item = (MetricLabels<'l, N>, M)>,
    ) -> fmt::Result {
        let mut values = values.peekable();
        if values.peek().is_none() {
            return Ok(());
        }
        let mut encoder = self.descriptor(family, metric_type)?;
        for (labels, metric) in values {
            metric.encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn descriptor<'s>(
        &'s mut self,
        family: &'s MetricFamily,
        metric_type: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        self.0.encode_descriptor(family.name, family.help, family.unit.as_ref(), metric_type)
    }
}
