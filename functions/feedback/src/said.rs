//! What somebody has written to the shop: a keyword, or something for a person.

use aws_sdk_sns::types::MessageAttributeValue;
use kairos_cloud::clock::SystemClock;
use kairos_cloud::faults::fault;
use kairos_cloud::telemetry;
use kairos_engine::bounds::HELP_ANSWERS_PER_DAY_MAX;
use kairos_engine::consent::SuppressionReason;
use kairos_engine::playbook::Channel;
use kairos_protocol::port::{Clock, Fault};

use crate::function::Function;
use crate::keywords::{Keyword, keyword};
use crate::suppression::{At, Cause};

/// Something that somebody has written.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// Recognises a repetition.
    pub id: &'a str,
    /// From which address.
    pub from: At<'a>,
    /// To which of the shop's numbers, where it has several.
    pub to: Option<&'a str>,
    /// What.
    pub text: &'a str,
}

impl Function {
    /// Does what somebody asks for, once: the same again changes nothing, also when it comes after its opposite.
    ///
    /// # Errors
    /// When a table, the queue or SNS fails; the same again finishes it.
    pub(crate) async fn hear(&self, said: Said<'_>) -> Result<(), Fault> {
        let cause = Cause { id: said.id, at: SystemClock.now() };
        let is_sms = said.from.channel == Channel::Sms;
        let found = keyword(said.text);
        let addresses = &self.suppressing.addresses;
        let is_kept = matches!(found, Some((Keyword::Stop | Keyword::Start, _)));
        if is_kept && addresses.has_heard(said.from.channel, said.from.key(), said.id).await? {
            telemetry::count("said_again", 1);
            return Ok(());
        }
        match found {
            Some((Keyword::Stop, _)) => {
                self.suppressing.suppress(said.from, SuppressionReason::Stop, cause).await?;
                telemetry::count(if is_sms { "sms_stop" } else { "chat_stop" }, 1);
            }
            Some((Keyword::Start, _)) => {
                self.suppressing.restore(said.from, SuppressionReason::Stop, cause).await?;
                if !is_sms {
                    self.suppressing.revive(said.from, cause).await?;
                }
                telemetry::count(if is_sms { "sms_start" } else { "chat_start" }, 1);
            }
            Some((Keyword::Help, language)) if is_sms => {
                let answered = self.help(said, language).await?;
                telemetry::count(if answered { "sms_help_answered" } else { "sms_help_not_answered" }, 1);
            }
            _ if is_sms => telemetry::count("sms_other", 1),
            _ => {
                // Chats are for people; only that somebody writes from there is news.
                let revived = self.suppressing.revive(said.from, cause).await?;
                telemetry::count(if revived { "chat_revived" } else { "chat_other" }, 1);
            }
        }
        if is_kept {
            addresses.heard(said.from.channel, said.from.key(), said.id, SystemClock.now()).await?;
        }
        Ok(())
    }

    /// Answers HELP in the language it was asked in: once each, and a few times a day for a number. Says whether it did.
    async fn help(&self, said: Said<'_>, language: &str) -> Result<bool, Fault> {
        let playbook = self.playbooks.outline().await?;
        let texts = playbook.consent.as_ref().map(|consent| &consent.help);
        let text =
            texts.and_then(|texts| texts.get(language).or_else(|| texts.get("en")).or_else(|| texts.values().next()));
        let (Some(text), Some(to)) = (text, said.to) else {
            tracing::warn!("somebody asks for help by SMS, and consent.yaml has no `help`");
            return Ok(false);
        };
        let addresses = &self.suppressing.addresses;
        let counted = addresses
            .count_answer(Channel::Sms, said.from.key(), said.id, HELP_ANSWERS_PER_DAY_MAX, SystemClock.now())
            .await?;
        if !counted {
            return Ok(false);
        }
        let attribute = |value: &str| MessageAttributeValue::builder().data_type("String").string_value(value).build();
        let not_built =
            |error: aws_sdk_sns::error::BuildError| Fault::Permanent { what: "answering HELP", why: error.to_string() };
        // From the number that was asked, which is where an answer is expected from.
        let request = self
            .sns
            .publish()
            .phone_number(said.from.address)
            .message(text)
            .message_attributes("AWS.SNS.SMS.SMSType", attribute("Transactional").map_err(not_built)?)
            .message_attributes("AWS.MM.SMS.OriginationNumber", attribute(to).map_err(not_built)?);
        request.send().await.map_err(|error| fault("SNS Publish", &error))?;
        Ok(true)
    }
}
