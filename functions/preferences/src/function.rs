//! The Lambda function: a request in, a page and the counters out.

use std::borrow::Cow;

use aws_lambda_events::event::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use aws_sdk_dynamodb::Client as DynamoDb;
use kairos_cloud::clock::SystemClock;
use kairos_cloud::environment::required;
use kairos_cloud::link_keys::{LinkKeys, NotOpened};
use kairos_cloud::playbooks::PlaybookStore;
use kairos_cloud::queues::Mailboxes;
use kairos_cloud::requests::{BodyRefusal, body_text, languages_asked_for};
use kairos_cloud::users::UsersTable;
use kairos_cloud::{service, telemetry};
use kairos_engine::bounds::{FORWARD_HOPS_MAX, PREFERENCES_FORM_BYTES_MAX};
use kairos_engine::consent::Choice;
use kairos_engine::mailbox::MailboxMessage;
use kairos_engine::state::UserState;
use kairos_engine::time::Timestamp;
use kairos_protocol::consent_links::ConsentLink;
use kairos_protocol::port::{Clock, Fault, Mailboxes as _};
use kairos_protocol::signed_links::Purpose;
use lambda_runtime::{Error, LambdaEvent};

use crate::choices::{chosen, message, message_of_link, shown};
use crate::page::{self, Context};
use crate::request::{Asked, NotAsked, asked};
use crate::words::Words;

/// The function with everything it talks to.
#[derive(Debug)]
pub struct Function {
    users: UsersTable,
    playbooks: PlaybookStore,
    mailboxes: Mailboxes,
    keys: LinkKeys,
}

impl Function {
    /// The function as its environment describes it (see `template.yaml`).
    ///
    /// # Errors
    /// When a setting is missing.
    pub fn from_environment() -> Result<Self, Error> {
        let config = service::start()?;
        let tables = DynamoDb::new(&config);
        let secrets = aws_sdk_secretsmanager::Client::new(&config);
        Ok(Self {
            users: UsersTable::new(tables.clone(), required("USERS_TABLE")?),
            playbooks: PlaybookStore::new(tables, required("PLAYBOOK_TABLE")?),
            mailboxes: Mailboxes::new(aws_sdk_sqs::Client::new(&config), required("EVENTS_QUEUE_URL")?),
            keys: LinkKeys::new(secrets, required("LINK_KEY_ARN")?),
        })
    }

    /// One request.
    ///
    /// # Errors
    /// None: whatever is wrong is answered.
    pub async fn handle(
        &self,
        event: LambdaEvent<LambdaFunctionUrlRequest>,
    ) -> Result<LambdaFunctionUrlResponse, Error> {
        let request = &event.payload;
        let spoken = languages_asked_for(request);
        let (mut answer, head) = match asked(request) {
            Ok(asked) => (self.answer(&asked, request, spoken).await, asked.head),
            Err(refusal) => {
                telemetry::count("not_found", 1);
                let words = Words::for_tags(spoken);
                let response = match refusal {
                    NotAsked::NotFound => page::not_found(words),
                    NotAsked::MethodNotAllowed => page::method_not_allowed(words),
                };
                (response, false)
            }
        };
        if head {
            answer.body = None;
        }
        telemetry::flush("preferences", SystemClock.now());
        Ok(answer)
    }

    async fn answer(
        &self,
        asked: &Asked<'_>,
        request: &LambdaFunctionUrlRequest,
        spoken: Option<&str>,
    ) -> LambdaFunctionUrlResponse {
        let now = SystemClock.now();
        let words = Words::for_tags(spoken);
        let link = match self.keys.open(asked.purpose, asked.token, now).await {
            Ok(payload) => ConsentLink::read(&payload),
            Err(NotOpened::Refused(refusal)) => {
                telemetry::count("link_refused", 1);
                tracing::warn!(refusal = refusal.as_str(), "a link that is none of ours");
                None
            }
            Err(NotOpened::Unknown(fault)) => return unavailable(&fault, words),
        };
        let Some(link) = link else { return page::not_found(words) };
        match self.serve(asked, request, spoken, &link, now).await {
            Ok(response) => response,
            Err(fault) => unavailable(&fault, words),
        }
    }

    async fn serve(
        &self,
        asked: &Asked<'_>,
        request: &LambdaFunctionUrlRequest,
        spoken: Option<&str>,
        link: &ConsentLink,
        now: Timestamp,
    ) -> Result<LambdaFunctionUrlResponse, Fault> {
        let (playbook, state) = match asked.purpose {
            // Unsubscribing works whatever else does not: nothing is needed for it but the mailbox.
            Purpose::Unsubscribe => {
                let playbook = self.playbooks.outline().await.unwrap_or_default();
                (playbook, self.state(link).await.unwrap_or_default())
            }
            _ => (self.playbooks.outline().await?, self.state(link).await?),
        };
        let state = state.as_ref();
        let locale = state.and_then(|state| state.profile.locale.as_deref());
        let key = self.keys.current(now).await?;
        let preferences = link.url("", Purpose::Preferences, &key);
        let context = Context {
            words: Words::for_tags(locale.into_iter().chain(spoken)),
            consent: playbook.consent.as_ref(),
            locale: locale.or(spoken.and_then(|spoken| spoken.split([',', ';']).next())),
            channel: link.channel,
            preferences: preferences.rsplit('/').next().unwrap_or_default(),
        };
        let shown = shown(&playbook, state, link);
        if !asked.changes {
            telemetry::count("shown", 1);
            return Ok(match asked.purpose {
                Purpose::Unsubscribe => context.unsubscribe(),
                Purpose::Confirm => context.confirm(),
                _ => context.preferences(&shown),
            });
        }
        match asked.purpose {
            Purpose::Unsubscribe => {
                let message = message_of_link(&playbook, link, Choice::Refused, "unsubscribe", now);
                self.tell("unsubscribed", message).await?;
                Ok(context.unsubscribed())
            }
            Purpose::Confirm => {
                let message = message_of_link(&playbook, link, Choice::Given, "confirmation", now);
                self.tell("confirmed", message).await?;
                Ok(context.confirmed())
            }
            _ => {
                let form = match body_text(request, PREFERENCES_FORM_BYTES_MAX) {
                    Ok(form) => form,
                    Err(BodyRefusal::Missing) => Cow::Borrowed(""),
                    Err(BodyRefusal::TooLarge | BodyRefusal::NotText) => {
                        telemetry::count("form_refused", 1);
                        return Ok(context.preferences(&shown));
                    }
                };
                if let Some(message) = message(&playbook, state, link, &chosen(&form, &shown), now) {
                    self.tell("saved", message).await?;
                }
                Ok(context.saved())
            }
        }
    }

    async fn tell(&self, what: &'static str, message: MailboxMessage) -> Result<(), Fault> {
        self.mailboxes.send(&[message]).await?;
        telemetry::count(what, 1);
        Ok(())
    }

    /// What is remembered of the user, or of the one they have turned out to be.
    async fn state(&self, link: &ConsentLink) -> Result<Option<UserState>, Fault> {
        let mut user = link.user;
        for _ in 0..=FORWARD_HOPS_MAX {
            let Some(stored) = self.users.get(user).await? else { return Ok(None) };
            match stored.state.forwarded_to {
                Some(to) => user = to,
                None => return Ok(Some(stored.state)),
            }
        }
        Ok(None)
    }
}

fn unavailable(fault: &Fault, words: &Words) -> LambdaFunctionUrlResponse {
    telemetry::count("unavailable", 1);
    tracing::error!(error = %fault, "what somebody said could not be taken; they were asked to come again");
    page::later(words)
}
