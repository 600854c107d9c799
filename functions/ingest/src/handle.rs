//! Carries out what a request was resolved to.

use std::future::Future;
use std::sync::Arc;

use aws_lambda_events::event::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use futures_util::future::join_all;
use kairos_engine::mailbox::{Input, MailboxMessage};
use kairos_engine::playbook::{Playbook, Source};
use kairos_engine::time::Timestamp;
use kairos_protocol::port::{Clock, Fault, Mailboxes};

use crate::refusal::RequestRefusal;
use crate::refusals::{KeptRefusal, Quota, Refusals};
use crate::resolve::{Resolved, Submission, needs_sources, refused, resolve};

/// Where the playbook comes from, whose sources may send.
pub trait Playbooks {
    /// The playbook in force.
    fn current(&self) -> impl Future<Output = Result<Arc<Playbook>, Fault>>;

    /// The source of the shop's server, whose write key is a secret.
    fn server(&self, now: Timestamp) -> impl Future<Output = Result<Source, Fault>>;
}

/// The function over its ports.
#[derive(Debug)]
pub struct Ingest<P, M, R, C> {
    playbooks: P,
    mailboxes: M,
    refusals: R,
    clock: C,
    quota: Quota,
}

/// How a request ended.
#[derive(Clone, Debug)]
pub struct Handled {
    /// The answer.
    pub response: LambdaFunctionUrlResponse,
    /// What happened, by name, and is counted nowhere else: each event that was queued is counted by `decide` with its
    /// outcome, and a line for each of them here would cost as much as the request.
    pub counts: Vec<(&'static str, usize)>,
}

impl<P: Playbooks, M: Mailboxes, R: Refusals, C: Clock> Ingest<P, M, R, C> {
    /// The function over these ports.
    pub fn new(playbooks: P, mailboxes: M, refusals: R, clock: C) -> Self {
        Self { playbooks, mailboxes, refusals, clock, quota: Quota::default() }
    }

    /// Takes one request and answers it. It fails in no other way than by its answer.
    pub async fn handle(&self, request: &LambdaFunctionUrlRequest) -> Handled {
        let received_at = self.clock.now();
        let playbook = if needs_sources(request) { Box::pin(self.playbook()).await } else { None };
        let sources = playbook.as_deref().map(|playbook| playbook.sources.as_slice());
        let mut resolved = resolve(request, sources, received_at);
        // The secret is asked for only when a key is none of the playbook's.
        if let (Resolved::Answer { outcome, .. }, Some(playbook)) = (&resolved, &playbook)
            && *outcome == RequestRefusal::WriteKeyUnknown.code()
        {
            match Box::pin(self.playbooks.server(received_at)).await {
                Ok(server) => {
                    let sources: Vec<Source> = playbook.sources.iter().cloned().chain([server]).collect();
                    resolved = resolve(request, Some(&sources), received_at);
                }
                Err(error) => {
                    // Perhaps it is the server's: to refuse the key would lose what the server says.
                    tracing::error!(%error, "the key of the shop's server could not be read; the client sends again");
                    resolved = refused(request, &RequestRefusal::ServerKeyUnavailable);
                }
            }
        }
        match resolved {
            Resolved::Answer { outcome, response } => Handled { response, counts: vec![(outcome, 1)] },
            Resolved::Submission(submission) => {
                let on_site = playbook.is_some_and(|playbook| may_lead_on_site(&playbook, &submission.messages));
                Box::pin(self.submit(submission, on_site, received_at)).await
            }
        }
    }

    async fn playbook(&self) -> Option<Arc<Playbook>> {
        self.playbooks
            .current()
            .await
            .inspect_err(
                |error| tracing::error!(%error, "no playbook: run `kairos publish`; requests get 503 until then"),
            )
            .ok()
    }

    async fn submit(&self, submission: Submission, on_site: bool, received_at: Timestamp) -> Handled {
        let Submission { source, messages, accepted, duplicates, refused, answers } = submission;
        if !messages.is_empty()
            && let Err(error) = self.mailboxes.send(&messages).await
        {
            tracing::error!(%error, source, messages = messages.len(), "events were not queued; the client sends them again");
            let refusal = RequestRefusal::QueueUnavailable;
            return Handled { response: answers.refused(&refusal), counts: vec![(refusal.code(), 1)] };
        }
        let mut counts = vec![("inputs_repeated_in_request", duplicates), ("events_refused", refused.len())];
        if !refused.is_empty() {
            counts.extend(refused.iter().map(|event| (event.refusal.code.as_str(), 1)));
            tracing::warn!(source, refused = refused.len(), first = refused[0].refusal.code.as_str(), "events refused");
            let granted = self.quota.grant(refused.len(), received_at);
            let records = refused[..granted].iter().map(|event| KeptRefusal::new(&source, received_at, event));
            let kept = self.keep(records.collect()).await;
            counts.push(("refusals_kept", kept));
            counts.push(("refusals_not_kept_fault", granted - kept));
            counts.push(("refusals_not_kept_quota", refused.len() - granted));
        }
        Handled { response: answers.with_on_site(on_site).taken(accepted, &refused), counts }
    }

    /// Keeps the records and gives how many are kept. That one is lost does not cost the client its
    /// answer: the answer itself lists what was refused.
    async fn keep(&self, records: Vec<KeptRefusal>) -> usize {
        let results = join_all(records.iter().map(|record| self.refusals.keep(record))).await;
        if let Some(error) = results.iter().find_map(|result| result.as_ref().err()) {
            let lost = results.iter().filter(|result| result.is_err()).count();
            tracing::error!(%error, lost, "refused events could not be kept for a person to look at");
        }
        results.iter().filter(|result| result.is_ok()).count()
    }
}

/// Whether one of these events may at once lead to a message on the page that sends it.
fn may_lead_on_site(playbook: &Playbook, messages: &[MailboxMessage]) -> bool {
    let mut inputs = messages.iter().flat_map(MailboxMessage::inputs);
    inputs.any(|input| matches!(input, Input::Event { event, .. } if playbook.may_lead_on_site(&event.kind)))
}
