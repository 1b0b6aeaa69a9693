//! Commands from sinks, and their answers.

use std::sync::Arc;

use jiff::Timestamp;

use super::Director;
use crate::command::{CommandOrigin, CommandRequest, Rejection, SourceCommand};
use crate::event::CommandRefusal;
use crate::settings::SettingsPatch;
use crate::sink::{CommandAnswer, Message};

impl Director {
    /// Carries out a command or refuses it.
    pub(super) fn on_command(&mut self, request: &CommandRequest) {
        let Some(index) = self.sources.iter().position(|source| *source.name == *request.source) else {
            let names: Vec<&str> = self.sources.iter().map(|source| &*source.name).collect();
            let message = format!("no such source; there are `{}`", names.join("`, `"));
            return self.refuse(request, Rejection::of_message(message));
        };
        match &request.command {
            SourceCommand::Get => {
                self.publish_state(index);
                self.publish_attributes(index);
                self.publish_settings(index);
            }
            SourceCommand::Label(command) => self.on_label(index, request, command),
            SourceCommand::Set(_) if !self.sources[index].open => {
                self.refuse(request, Rejection::of_message("the source has ended"));
            }
            SourceCommand::Set(Ok(patch)) => self.change_settings(index, request, patch),
            SourceCommand::Set(Err(rejection)) => self.refuse(request, rejection.clone()),
        }
    }

    fn change_settings(&mut self, index: usize, request: &CommandRequest, patch: &SettingsPatch) {
        let source = &mut self.sources[index];
        let old = source.settings;
        let new = old.patched(patch);
        if new != old {
            tracing::info!(source = &*source.name, ?new, "settings changed by a message");
            source.apply(new);
            match (old.paused, new.paused) {
                (false, true) => self.pause(index),
                (true, false) if source.arriving => self.publish_availability(index, true),
                _ => {}
            }
        }
        let settings = self.publish_settings(index);
        if let CommandOrigin::Request(_) = request.origin {
            self.answer(request, CommandAnswer::Changed(settings));
        }
    }

    fn pause(&mut self, index: usize) {
        let events = self.sources[index].pause();
        self.publish_events(index, events, Timestamp::now(), None);
        self.sources[index].cut_clips();
        self.publish_state(index);
        self.publish_availability(index, false);
    }

    /// Answers a command that is not carried out.
    pub(super) fn refuse(&mut self, request: &CommandRequest, Rejection { key, message }: Rejection) {
        tracing::warn!(source = &*request.source, key, "command refused: {message}");
        let run = self.context.run.clone();
        let refusal = CommandRefusal { run, at: Timestamp::now(), key, message };
        self.answer(request, CommandAnswer::Refused(refusal));
    }

    pub(super) fn answer(&mut self, request: &CommandRequest, answer: CommandAnswer) {
        let (source, origin, answer) = (request.source.clone(), request.origin, Arc::new(answer));
        self.fanout.send(Message::Answer { source, origin, answer });
    }
}
