//! The Lambda function: a request in, the answer and the counters out.

use aws_lambda_events::event::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use aws_sdk_dynamodb::Client as DynamoDb;
use kairos_cloud::clock::SystemClock;
use kairos_cloud::environment::required;
use kairos_cloud::inbox::InboxTable;
use kairos_cloud::playbooks::PlaybookStore;
use kairos_cloud::queues::Mailboxes;
use kairos_cloud::requests::{body_text, source_of};
use kairos_cloud::secrets::{Secret, access_key};
use kairos_cloud::users::UsersTable;
use kairos_cloud::vapid_key::VapidKey;
use kairos_cloud::{service, telemetry};
use kairos_engine::bounds::{INBOX_BYTES_MAX, INBOX_KEY_REFRESH, VAPID_KEY_REFRESH};
use kairos_engine::identifiers::UserKey;
use kairos_engine::playbook::{Channel, OnSiteSettings};
use kairos_protocol::inbox::{Asker, Mark, Ports, Reported};
use kairos_protocol::port::{Clock, Fault};
use lambda_runtime::{Error, LambdaEvent};

use crate::answer;
use crate::identity::is_proved;
use crate::request::{self, Question, RequestRefusal, Route};

/// The function with everything it talks to.
#[derive(Debug)]
pub struct Function {
    playbooks: PlaybookStore,
    inbox: InboxTable,
    users: UsersTable,
    mailboxes: Mailboxes,
    key: Secret<String>,
    vapid: Secret<VapidKey>,
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
            playbooks: PlaybookStore::new(tables.clone(), required("PLAYBOOK_TABLE")?),
            inbox: InboxTable::new(tables.clone(), required("INBOX_TABLE")?),
            users: UsersTable::new(tables, required("USERS_TABLE")?),
            mailboxes: Mailboxes::new(aws_sdk_sqs::Client::new(&config), required("EVENTS_QUEUE_URL")?),
            key: Secret::new(secrets.clone(), required("INBOX_KEY_ARN")?, INBOX_KEY_REFRESH, access_key),
            vapid: Secret::new(secrets, required("VAPID_KEY_ARN")?, VAPID_KEY_REFRESH, VapidKey::parse),
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
        let answer = Box::pin(self.take(&event.payload)).await.unwrap_or_else(|refusal| {
            telemetry::count(refusal.code(), 1);
            answer::refused(&refusal)
        });
        telemetry::flush("inbox", SystemClock.now());
        Ok(answer)
    }

    async fn take(&self, request: &LambdaFunctionUrlRequest) -> Result<LambdaFunctionUrlResponse, RequestRefusal> {
        let mark = match request::route(request)? {
            Route::Preflight => return Ok(answer::preflight()),
            Route::PushKey => return Box::pin(self.push_key()).await,
            Route::Messages => None,
            Route::Report(mark) => Some(mark),
        };
        let body = body_text(request, INBOX_BYTES_MAX).map_err(RequestRefusal::Body)?;
        let question = Question::read(&body)?;
        let playbook = self.playbooks.outline().await.map_err(|fault| later("the playbook", &fault))?;
        source_of(&playbook.sources, &question.write_key).ok_or(RequestRefusal::WriteKeyUnknown)?;
        let settings = playbook
            .channels
            .on_site
            .as_ref()
            .ok_or(RequestRefusal::NotSetUp("messages on the site", Channel::OnSite))?;
        let asker = self.asker(settings, &question).await?;
        match mark {
            None => Box::pin(self.messages(&asker)).await,
            Some(mark) => Box::pin(self.report(&asker, &question, mark)).await,
        }
    }

    /// The key that browsers subscribe with: it is public, and whoever asks may have it.
    async fn push_key(&self) -> Result<LambdaFunctionUrlResponse, RequestRefusal> {
        let playbook = self.playbooks.outline().await.map_err(|fault| later("the playbook", &fault))?;
        if !playbook.channels.has(Channel::WebPush) {
            return Err(RequestRefusal::NotSetUp("notifications in browsers", Channel::WebPush));
        }
        let key = self.vapid.current(SystemClock.now()).await.map_err(|fault| later("the key", &fault))?;
        telemetry::count("push_key_given", 1);
        Ok(answer::push_key(key.public()))
    }

    /// Who asks: a user who is proved counts as that user, whatever the visitor has turned out to be.
    async fn asker(&self, settings: &OnSiteSettings, question: &Question) -> Result<Asker, RequestRefusal> {
        let visitor = UserKey::anonymous(&question.anonymous_id);
        let proved = match (&question.user_id, &question.user_hash) {
            (Some(user), Some(hash)) if settings.verify_identity => {
                let key = self.key.current(SystemClock.now()).await.map_err(|fault| later("the key", &fault))?;
                if !is_proved(&key, user, hash) {
                    return Err(RequestRefusal::HashWrong);
                }
                Some(UserKey::known(user))
            }
            _ => None,
        };
        Ok(Asker { visitor, proved, follows_links: !settings.verify_identity })
    }

    fn ports(&self) -> Ports<'_, InboxTable, UsersTable, Mailboxes, SystemClock> {
        Ports { inbox: &self.inbox, users: &self.users, mailboxes: &self.mailboxes, clock: &SystemClock }
    }

    async fn messages(&self, asker: &Asker) -> Result<LambdaFunctionUrlResponse, RequestRefusal> {
        let kept = self.ports().messages(asker).await.map_err(|fault| later("an inbox", &fault))?;
        telemetry::count("asked", 1);
        telemetry::count("messages_given", kept.len());
        Ok(answer::messages(&kept, asker.proved.is_some(), SystemClock.now()))
    }

    async fn report(
        &self,
        asker: &Asker,
        question: &Question,
        mark: Mark,
    ) -> Result<LambdaFunctionUrlResponse, RequestRefusal> {
        let delivery = question.message()?;
        let reported = self.ports().report(asker, delivery, mark).await.map_err(|fault| later("an inbox", &fault))?;
        match reported {
            Reported::Counted => telemetry::count(mark.as_str(), 1),
            Reported::Again => telemetry::count("reported_again", 1),
            Reported::Unknown => return Err(RequestRefusal::MessageUnknown),
        }
        Ok(answer::counted())
    }
}

fn later(what: &'static str, fault: &Fault) -> RequestRefusal {
    tracing::error!(error = %fault, what, "an inbox could not be asked; the same request again finds out");
    RequestRefusal::TryAgain
}
