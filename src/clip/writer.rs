//! Writer of all clips: one thread, which owns the rings and the files.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, never, select, tick};

use super::chunk::ClipChunk;
use super::job::{ClipJob, ClipRecord};
use super::open_clip::{ClipProgress, OpenClip};
use super::retention::{ClipRetention, remove_incomplete};
use super::ring::ClipRing;
use super::tags::ClipTags;
use crate::audio::SourceId;
use crate::counters::ClipCounters;
use crate::event::ClipFileName;
use crate::thread::{self, Stop};

/// Interval at which old clips are looked for.
const RETENTION_INTERVAL: Duration = Duration::from_secs(600);

/// State of one source.
pub(super) struct ClipSource {
    pub(super) name: Arc<str>,
    pub(super) pre_roll_s: f64,
    /// Folder of its files.
    pub(super) folder: PathBuf,
    pub(super) retention: ClipRetention,
    pub(super) ring: ClipRing,
    pub(super) open: Vec<OpenClip>,
    pub(super) counters: Arc<ClipCounters>,
    /// True after a failure, until a clip could be written.
    pub(super) is_failing: bool,
}

/// Writer of all clips.
pub(super) struct ClipWriter {
    /// By [`SourceId`]; `None` without clips.
    pub(super) sources: Vec<Option<ClipSource>>,
    pub(super) chunks: Receiver<ClipChunk>,
    pub(super) jobs: Receiver<ClipJob>,
    /// Closes to end the thread although a source or the director still runs.
    pub(super) closed: Receiver<()>,
    pub(super) stop: Stop,
}

impl ClipWriter {
    /// Runs until all sources and the director have ended.
    pub(super) fn run(mut self) {
        thread::step_back();
        for source in self.sources.iter_mut().flatten() {
            source.clean_up();
            source.delete_old();
        }
        let retention = tick(RETENTION_INTERVAL);
        let (mut chunks_ended, mut jobs_ended) = (false, false);
        while !chunks_ended || !jobs_ended {
            select! {
                recv(self.chunks) -> chunk => match chunk {
                    Ok(chunk) => self.on_chunk(chunk),
                    Err(_) => {
                        chunks_ended = true;
                        self.chunks = never();
                    }
                },
                recv(self.jobs) -> job => match job {
                    Ok(job) => self.on_job(job),
                    Err(_) => {
                        jobs_ended = true;
                        self.jobs = never();
                    }
                },
                recv(retention) -> _ => self.sources.iter_mut().flatten().for_each(ClipSource::delete_old),
                recv(self.closed) -> _ => break,
            }
        }
        self.finish();
    }

    /// Completes every clip with the audio that there is.
    fn finish(&mut self) {
        while let Ok(job) = self.jobs.try_recv() {
            self.on_job(job);
        }
        self.drain_chunks();
        // The file system is not waited for at the end: the shutdown has a deadline.
        let syncs = !self.stop.is_set();
        self.sources.iter_mut().flatten().for_each(|source| source.cut(syncs));
    }

    fn source(&mut self, SourceId(index): SourceId) -> Option<&mut ClipSource> {
        self.sources.get_mut(index)?.as_mut()
    }

    fn drain_chunks(&mut self) {
        while let Ok(chunk) = self.chunks.try_recv() {
            self.on_chunk(chunk);
        }
    }

    fn on_chunk(&mut self, chunk: ClipChunk) {
        if let Some(source) = self.source(chunk.source) {
            source.ring.push(chunk);
            source.write();
        }
    }

    fn on_job(&mut self, job: ClipJob) {
        // The audio before a decision was sent before it.
        self.drain_chunks();
        match job {
            ClipJob::Record(record) => {
                if let Some(source) = self.source(record.source) {
                    source.record(record);
                }
            }
            ClipJob::Close(id, file) => {
                if let Some(source) = self.source(id) {
                    source.close(&file);
                }
            }
            ClipJob::Cut(id) => {
                if let Some(source) = self.source(id) {
                    source.cut(true);
                }
            }
        }
    }
}

impl ClipSource {
    fn record(&mut self, record: ClipRecord) {
        let ClipRecord { file, event_type, at, event_s, until_s, .. } = record;
        match self.open.iter_mut().find(|clip| clip.file == file) {
            Some(clip) => clip.extend(until_s),
            None => {
                let tags = ClipTags { source: self.name.clone(), event_type, at };
                let from_s = event_s - self.pre_roll_s;
                self.open.push(OpenClip::new(file, tags, from_s, event_s, until_s));
            }
        }
        self.write();
    }

    fn close(&mut self, file: &ClipFileName) {
        self.open.iter_mut().filter(|clip| clip.file == *file).for_each(OpenClip::close);
        self.write();
    }

    /// Writes what is new to the open clips.
    fn write(&mut self) {
        let mut index = 0;
        while index < self.open.len() {
            match self.open[index].write(&self.ring, &self.folder) {
                Ok(ClipProgress::Open) => index += 1,
                Ok(ClipProgress::Complete) => {
                    let clip = self.open.remove(index);
                    self.complete(clip, true);
                }
                Err(error) => {
                    let clip = self.open.remove(index);
                    self.fail(&clip.file, &error);
                    clip.discard();
                }
            }
        }
    }

    /// Completes the open clips with the audio that there is.
    fn cut(&mut self, syncs: bool) {
        self.write();
        for clip in std::mem::take(&mut self.open) {
            self.complete(clip, syncs);
        }
    }

    fn complete(&mut self, clip: OpenClip, syncs: bool) {
        let file = clip.file.clone();
        match clip.finish(syncs) {
            Ok(true) => {
                self.counters.written.add(1);
                tracing::debug!(source = &*self.name, "clip `{file}` written");
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!(source = &*self.name, "clips can be written again");
                }
                self.delete_old();
            }
            Ok(false) => {
                self.counters.failed.add(1);
                tracing::debug!(source = &*self.name, "clip `{file}`: there was no audio");
            }
            Err(error) => self.fail(&file, &error),
        }
    }

    /// Counts a clip that cannot be written. The first of several is logged.
    fn fail(&mut self, file: &ClipFileName, error: &io::Error) {
        self.counters.failed.add(1);
        if !std::mem::replace(&mut self.is_failing, true) {
            let folder = self.folder.display();
            tracing::warn!(
                source = &*self.name,
                "clip `{file}` cannot be written to `{folder}`: {error}; the next event is tried again"
            );
        }
    }

    /// Deletes what a killed process left incomplete.
    fn clean_up(&mut self) {
        match remove_incomplete(&self.folder) {
            Ok(0) => {}
            Ok(removed) => {
                tracing::info!(source = &*self.name, removed, "incomplete clips of an earlier run deleted");
            }
            Err(error) => self.report_retention(&error),
        }
    }

    fn delete_old(&mut self) {
        match self.retention.enforce(&self.folder, SystemTime::now()) {
            Ok(deleted) => self.counters.deleted.add(deleted),
            Err(error) => self.report_retention(&error),
        }
    }

    fn report_retention(&self, error: &io::Error) {
        let folder = self.folder.display();
        tracing::warn!(source = &*self.name, "old clips in `{folder}` cannot be deleted: {error}");
    }
}
