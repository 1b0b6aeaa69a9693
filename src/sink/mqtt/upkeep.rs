//! Work of the sink between two signals of the broker.

use tokio::time::Instant;

use super::audit::Audit;
use super::connection::{GoodBye, Line};
use super::{ECHO, MqttSink};

impl MqttSink {
    /// Does what its time has come for.
    pub(super) fn remember(&mut self, line: &mut Line) {
        let now = Instant::now();
        if line.birth_at.take_if(|at| *at <= now).is_some() {
            self.session.announce_again();
        }
        if line.echo_by.take_if(|at| *at <= now).is_some() {
            self.reporter.unheard(&self.session.topics().of_node("info"));
        }
        if line.retry_at.take_if(|at| *at <= now).is_some() {
            self.session.retry_refused();
        }
        self.audit(line);
    }

    /// Begins the audit once everything has been published for the first time, and ends it.
    fn audit(&mut self, line: &mut Line) {
        let now = Instant::now();
        match &line.audit {
            None if self.audited || !line.hears_itself || line.good_bye.is_some() => {}
            None if self.session.is_complete() => {
                // Once, whatever comes of it: the broker may close the connection on so long a subscription.
                self.audited = true;
                let audit = Audit::new(self.session.kept());
                if line.client.subscribe(audit.topics().cloned()) {
                    line.audit = Some((audit, now + ECHO));
                }
            }
            Some((audit, until)) if audit.is_over() || *until <= now => {
                let own = line.listener.filters();
                for topic in audit.topics().filter(|topic| !own.contains(topic)) {
                    line.client.unsubscribe(topic);
                }
                let (there, missing) = audit.verdict();
                match missing.is_empty() {
                    true => {}
                    // Nothing at all comes back.
                    false if there.is_empty() => {
                        self.reporter.unheard(&self.session.topics().of_node("info"));
                    }
                    false => {
                        let withheld = self.session.audited(&there, &missing);
                        self.reporter.swallowed(&missing, withheld);
                    }
                }
                line.audit = None;
            }
            _ => {}
        }
    }

    /// Hands the client what may go now, and takes the next step of a good-bye whose last one is done.
    pub(super) fn go_on(&mut self, line: &mut Line) {
        self.ledger.settle(self.session.outbox());
        if self.session.is_idle() {
            match &line.good_bye {
                None => {}
                Some(GoodBye::Flushing { until }) => {
                    self.session.close();
                    line.good_bye = Some(GoodBye::Leaving { until: *until });
                }
                Some(GoodBye::Leaving { .. }) => {
                    // Refused only by a full queue, and an idle session's is empty.
                    line.client.disconnect();
                }
            }
        }
        while let Some(publication) = self.session.take() {
            if !line.client.publish(publication) {
                self.session.refused();
                break;
            }
        }
        for message in self.session.too_large() {
            self.reporter.too_large(&message, self.session.limits());
        }
        self.audit(line);
    }
}
