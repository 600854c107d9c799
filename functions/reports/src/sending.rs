//! The week's letter by Amazon SES (v2 `SendEmail`), from the sender that delivery uses.

use aws_sdk_sesv2::Client;
use aws_sdk_sesv2::config::retry::RetryConfig;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use kairos_cloud::faults::fault;
use kairos_engine::playbook::Playbook;
use lambda_runtime::Error;
use serde::Serialize;

use crate::letter::Letter;

/// What became of a week's letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Sending {
    /// SES has taken it.
    Now,
    /// It was sent before, or is being sent.
    Before,
}

/// Sends letters.
#[derive(Clone, Debug)]
pub struct Sender {
    client: Client,
    /// The domain or address that is verified in SES.
    identity: String,
}

impl Sender {
    /// From an address of this identity, where the playbook names none.
    pub fn new(config: &aws_types::SdkConfig, identity: String) -> Self {
        // Once: SES knows no repetition, and after an answer that was lost the letter may be there.
        let config = aws_sdk_sesv2::config::Builder::from(config).retry_config(RetryConfig::disabled()).build();
        Self { client: Client::from_conf(config), identity }
    }

    /// Sends a letter once.
    ///
    /// # Errors
    /// When SES refuses it, or does not answer.
    pub async fn send(&self, playbook: &Playbook, owner: &str, letter: &Letter) -> Result<(), Error> {
        let part = |data: &str| Content::builder().data(data).charset("UTF-8").build();
        let body = Body::builder().text(part(&letter.text)?).html(part(&letter.html)?).build();
        let message = Message::builder().subject(part(&letter.subject)?).body(body).build();
        let from = playbook.channels.email.as_ref().map_or_else(|| self.own_address(), |email| email.from.clone());
        self.client
            .send_email()
            .from_email_address(from)
            .destination(Destination::builder().to_addresses(owner).build())
            .content(EmailContent::builder().simple(message).build())
            .send()
            .await
            .map_err(|error| fault("SES SendEmail", &error))?;
        Ok(())
    }

    fn own_address(&self) -> String {
        match self.identity.contains('@') {
            true => self.identity.clone(),
            false => format!("Kairos <kairos@{}>", self.identity),
        }
    }
}
