//! The Lambda function: a request in, the answer and the counters out.

use std::time::Duration;

use aws_lambda_events::event::lambda_function_urls::{LambdaFunctionUrlRequest, LambdaFunctionUrlResponse};
use aws_sdk_dynamodb::Client as DynamoDb;
use kairos_cloud::clock::SystemClock;
use kairos_cloud::environment::required;
use kairos_cloud::link_keys::{LinkKeys, NotOpened};
use kairos_cloud::links::LinksTable;
use kairos_cloud::queues::Mailboxes;
use kairos_cloud::requests::languages_asked_for;
use kairos_cloud::{service, telemetry};
use kairos_engine::bounds::CLICK_TOLD_WITHIN;
use kairos_engine::mailbox::MailboxMessage;
use kairos_engine::time::Timestamp;
use kairos_protocol::links::{Followed, LinkRecords, LinksId, MessageLinks, Where};
use kairos_protocol::port::{Clock, Mailboxes as _};
use kairos_protocol::signed_links::{Purpose, Refusal};
use lambda_runtime::{Error, LambdaEvent};
use tokio::time::timeout;

use crate::answer::{self, Language};
use crate::request::{NoRoute, Route, route};
use crate::visitor::{Visitor, VisitorKind, visitor};

/// The function with everything it talks to.
#[derive(Debug)]
pub struct Function {
    links: LinksTable,
    mailboxes: Mailboxes,
    keys: LinkKeys,
}

/// What is known of a token.
enum Known {
    /// Its message's links, and its own number.
    Link(Box<MessageLinks>, u8),
    /// It was ours, so long ago that what it led to is forgotten.
    Forgotten,
}

/// Why nothing is known of a token.
enum Unknown {
    /// It is not ours.
    Refused,
    /// Nobody can say now.
    Unavailable,
}

impl Function {
    /// The function as its environment describes it (see `template.yaml`). Reads the key that signs links, so that the
    /// first visitor does not wait for it.
    ///
    /// # Errors
    /// When a setting is missing.
    pub async fn from_environment() -> Result<Self, Error> {
        let config = service::start()?;
        let secrets = aws_sdk_secretsmanager::Client::new(&config);
        let keys = LinkKeys::new(secrets, required("LINK_KEY_ARN")?);
        if let Err(error) = keys.current(SystemClock.now()).await {
            tracing::warn!(%error, "the key of links could not be read yet");
        }
        Ok(Self {
            links: LinksTable::new(DynamoDb::new(&config), required("LINKS_TABLE")?),
            mailboxes: Mailboxes::new(aws_sdk_sqs::Client::new(&config), required("EVENTS_QUEUE_URL")?),
            keys,
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
        let language = Language::wanted(languages_asked_for(request));
        let response = match route(request) {
            Ok((route, is_head)) => {
                let visitor = visitor(&request.headers, is_head);
                let response = match route {
                    Route::Click(token) => self.click(token, visitor, language).await,
                    Route::Open(token) => self.open(token, visitor, language).await,
                    Route::Robots => answer::robots(),
                };
                if is_head { answer::without_body(response) } else { response }
            }
            Err(NoRoute::NotFound) => {
                telemetry::count("not_found", 1);
                answer::not_found(language)
            }
            Err(NoRoute::MethodNotAllowed) => {
                telemetry::count("method_not_allowed", 1);
                answer::method_not_allowed()
            }
        };
        telemetry::flush("links", SystemClock.now());
        Ok(response)
    }

    /// Leads on, and tells the user's mailbox when it was a person.
    async fn click(&self, token: &str, visitor: Visitor, language: Language) -> LambdaFunctionUrlResponse {
        let now = SystemClock.now();
        let (links, number) = match self.known(Purpose::Click, token, now).await {
            Ok(Known::Link(links, number)) => (links, number),
            Ok(Known::Forgotten) => {
                telemetry::count("link_expired", 1);
                return answer::gone(language);
            }
            Err(unknown) => return not_known(&unknown, language),
        };
        let followed = match links.followed(number, visitor.device, now) {
            Followed::To(place) => place,
            Followed::Expired(fallback) => {
                telemetry::count("link_expired", 1);
                return fallback.map_or_else(|| answer::gone(language), |page| answer::redirect(&page));
            }
        };
        match (visitor.kind, links.clicked(number, visitor.device, now)) {
            (VisitorKind::Person, Some(message)) => {
                let is_told = self.tell(message).await;
                telemetry::count(if is_told { "clicks" } else { "click_lost" }, 1);
            }
            _ => telemetry::count("link_preview", 1),
        }
        match followed {
            Where::Page(page) => answer::redirect(&page),
            Where::App(app) => answer::app(&app, language),
        }
    }

    /// Gives the picture, and tells the user's mailbox.
    async fn open(&self, token: &str, visitor: Visitor, language: Language) -> LambdaFunctionUrlResponse {
        let now = SystemClock.now();
        match self.known(Purpose::Open, token, now).await {
            Ok(Known::Link(links, _)) if now < links.ends_at => {
                if visitor.kind == VisitorKind::Program {
                    telemetry::count("open_preview", 1);
                } else {
                    let proxied = visitor.kind == VisitorKind::Proxy;
                    let is_told = self.tell(links.opened(proxied, now)).await;
                    let opened = if proxied { "opens_proxied" } else { "opens" };
                    telemetry::count(if is_told { opened } else { "open_lost" }, 1);
                }
                answer::pixel()
            }
            Ok(_) => {
                telemetry::count("open_expired", 1);
                answer::pixel()
            }
            Err(unknown) => not_known(&unknown, language),
        }
    }

    async fn known(&self, purpose: Purpose, token: &str, now: Timestamp) -> Result<Known, Unknown> {
        let payload = self.keys.open(purpose, token, now).await.map_err(|why| match why {
            NotOpened::Refused(refusal) => {
                telemetry::count(refused(refusal), 1);
                Unknown::Refused
            }
            NotOpened::Unknown(error) => {
                tracing::error!(%error, "the keys of links could not be read");
                Unknown::Unavailable
            }
        })?;
        let Some((id, number)) = LinksId::read(&payload) else {
            // Signed by us, and yet none of ours: another program has the key.
            telemetry::count(refused(Refusal::NotAToken), 1);
            return Err(Unknown::Refused);
        };
        match self.links.load(id).await {
            Ok(Some(links)) => Ok(Known::Link(Box::new(links), number)),
            Ok(None) => Ok(Known::Forgotten),
            Err(error) => {
                tracing::error!(%error, "where a link leads could not be read");
                Err(Unknown::Unavailable)
            }
        }
    }

    /// Puts a message into its mailbox; says whether it is known to be there. Nobody waits long for that.
    async fn tell(&self, message: MailboxMessage) -> bool {
        let patience = Duration::from_millis(CLICK_TOLD_WITHIN.as_millis().unsigned_abs());
        match timeout(patience, self.mailboxes.send(&[message])).await {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(%error, "a click could not be told to its user");
                false
            }
            Err(_) => {
                tracing::error!("the queue took too long, and a click was perhaps not told to its user");
                false
            }
        }
    }
}

fn not_known(unknown: &Unknown, language: Language) -> LambdaFunctionUrlResponse {
    match unknown {
        Unknown::Refused => {
            telemetry::count("link_refused", 1);
            answer::not_found(language)
        }
        Unknown::Unavailable => {
            telemetry::count("link_unavailable", 1);
            answer::try_again(language)
        }
    }
}

const fn refused(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::NotAToken => "link_refused_not_a_token",
        Refusal::OtherVersion => "link_refused_other_version",
        Refusal::OtherPurpose => "link_refused_other_purpose",
        Refusal::Forged => "link_refused_forged",
    }
}
