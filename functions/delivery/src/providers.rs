//! Every channel to its provider, unless that is to be left alone ([`Breaker`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use aws_smithy_http_client::tls::{Provider as TlsProvider, rustls_provider::CryptoMode};
use kairos_cloud::inbox::InboxTable;
use kairos_cloud::telemetry;
use kairos_engine::bounds::PROVIDER_TIMEOUT;
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::Channel;
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::delivery::breaker::Breaker;
use kairos_protocol::delivery::{Answer, Content, Provider};
use kairos_protocol::port::Clock;

use crate::email::{Email, Parts};
use crate::messengers::Messengers;
use crate::mobile_push::{AppNotification, Pushes};
use crate::on_site;
use crate::sms::Sms;
use crate::tokens::Tokens;
use crate::web_push::{Notification, Notifies};
use crate::webhook::{Said, SigningKeys, Webhook};

/// The providers of all channels.
#[derive(Debug)]
pub struct Providers<K, T, W, A, C> {
    /// SNS.
    pub sms: Sms,
    /// SES.
    pub email: Email,
    /// The shop's endpoint.
    pub webhook: Webhook<K>,
    /// Telegram, Viber, WhatsApp.
    pub messengers: Arc<Messengers<T>>,
    /// The push services of browsers.
    pub web_push: Arc<W>,
    /// The push services of phones, by SNS.
    pub mobile_push: Arc<A>,
    /// The inboxes that messages for the shop's pages wait in.
    pub inbox: InboxTable,
    /// Which of them are to be left alone.
    pub breakers: Arc<Breakers>,
    /// The time that webhooks are signed with, and pauses are measured by.
    pub clock: C,
}

/// The breakers of all providers, one for each channel, and one for each webhook. The site has none: its inbox is a table of the stack's own. Nor have
/// browsers: each has a push service of its maker's. Notifications of the app have one of their own beside that of SMS, because
/// SNS throttles them apart.
#[derive(Debug, Default)]
pub struct Breakers {
    email: Breaker,
    sms: Breaker,
    /// By their names. Playbooks name few.
    webhooks: Mutex<BTreeMap<String, Arc<Breaker>>>,
    telegram: Breaker,
    viber: Breaker,
    whatsapp: Breaker,
    mobile_push: Breaker,
}

impl Breakers {
    fn of(&self, channel: Channel) -> Option<&Breaker> {
        match channel {
            Channel::Email => Some(&self.email),
            Channel::Sms => Some(&self.sms),
            Channel::Telegram => Some(&self.telegram),
            Channel::Viber => Some(&self.viber),
            Channel::Whatsapp => Some(&self.whatsapp),
            Channel::MobilePush => Some(&self.mobile_push),
            // Which webhook a message goes to is known when it is composed.
            Channel::Webhook | Channel::OnSite | Channel::WebPush => None,
        }
    }

    /// The breaker of a webhook.
    pub fn webhook(&self, name: &str) -> Arc<Breaker> {
        // Breakers are sound whatever a panicking thread left behind.
        let mut webhooks = self.webhooks.lock().unwrap_or_else(PoisonError::into_inner);
        match webhooks.get(name) {
            Some(breaker) => Arc::clone(breaker),
            None => Arc::clone(webhooks.entry(name.to_owned()).or_default()),
        }
    }

    /// Hears what a provider has said, and tells people when it is left alone from now on.
    pub fn heard(&self, channel: Channel, webhook: Option<&str>, answer: &Answer, now: Timestamp) {
        let is_of_one = is_of_one_receiver(channel, answer);
        let opens = match webhook {
            Some(name) => self.webhook(name).heard(answer, now),
            None => self.of(channel).is_some_and(|breaker| !is_of_one && breaker.heard(answer, now)),
        };
        if opens {
            telemetry::count("breaker_opened", 1);
            let code = &answer.code;
            tracing::error!(%channel, webhook, code, "the provider is out of order, and left alone for a while");
        }
    }
}

/// Whether an answer is about one receiver's limit, and says nothing of the provider.
fn is_of_one_receiver(channel: Channel, answer: &Answer) -> bool {
    let code = answer.code.trim_end_matches("Exception");
    matches!(
        (channel, code),
        (Channel::Viber, "12")
            | (Channel::Whatsapp, "131056")
            // An endpoint that was deleted meanwhile.
            | (Channel::MobilePush, "NotFound" | "InvalidParameter")
    )
}

impl<K: SigningKeys, T: Tokens, W: Notifies, A: Pushes, C: Clock> Provider for Providers<K, T, W, A, C> {
    fn wait(&self, order: &DeliveryOrder) -> Option<Span> {
        self.breakers.of(order.channel)?.wait(self.clock.now())
    }

    async fn send(&self, order: &DeliveryOrder, content: &Content) -> Answer {
        let answer = self.call(order, content).await;
        let webhook = match content {
            Content::Webhook { name, .. } => Some(name.as_str()),
            _ => None,
        };
        self.breakers.heard(order.channel, webhook, &answer, self.clock.now());
        answer
    }
}

impl<K: SigningKeys, T: Tokens, W: Notifies, A: Pushes, C: Clock> Providers<K, T, W, A, C> {
    async fn call(&self, order: &DeliveryOrder, content: &Content) -> Answer {
        match content {
            Content::Sms { sender, text } => self.sms.send(order, sender, text).await,
            Content::Email { sender, subject, text, html, unsubscribe } => {
                let email = Parts { subject, text, html: html.as_deref(), unsubscribe: unsubscribe.as_deref() };
                self.email.send(order, sender, email).await
            }
            Content::Webhook { name: _, receiver, text, body } => {
                let said = body.as_deref().map_or(Said::Text(text), Said::Body);
                self.webhook.send(order, receiver, said, self.clock.now()).await
            }
            Content::OnSite { message, language, priority } => {
                on_site::send(&self.inbox, order, (message, language, *priority), self.clock.now()).await
            }
            Content::WebPush { sender, message, language, browsers } => {
                let notification = Notification { sender, message, language, browsers };
                self.web_push.notify(order, notification, self.clock.now()).await
            }
            Content::MobilePush { sender, message, devices } => {
                self.mobile_push.push(order, AppNotification { sender, message, devices }, self.clock.now()).await
            }
            Content::Telegram { .. } | Content::Viber { .. } | Content::Whatsapp { .. } => {
                self.messengers.send(order, content, &self.clock).await
            }
        }
    }
}

/// The configuration for clients of providers: one attempt, within [`PROVIDER_TIMEOUT`], each on a
/// connection of its own. Lambda freezes a process between batches, and a connection that died
/// meanwhile looks like an answer that did not arrive: an SMS would be given up for a handshake saved.
pub fn provider_config(config: &aws_types::SdkConfig) -> aws_types::SdkConfig {
    let timeouts = TimeoutConfig::builder().operation_timeout(duration(PROVIDER_TIMEOUT)).build();
    let timeouts = match config.timeout_config().and_then(TimeoutConfig::connect_timeout) {
        Some(connect) => timeouts.to_builder().connect_timeout(connect).build(),
        None => timeouts,
    };
    let http_client = aws_smithy_http_client::Builder::new()
        .pool_max_idle_per_host(0)
        .tls_provider(TlsProvider::Rustls(CryptoMode::Ring))
        .build_https();
    config.to_builder().retry_config(RetryConfig::disabled()).timeout_config(timeouts).http_client(http_client).build()
}

/// A span that is not negative, as the standard library has it.
pub(crate) fn duration(span: Span) -> Duration {
    Duration::from_millis(span.as_millis().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_protocol::delivery::AnswerClass;

    const NOON: Timestamp = Timestamp::from_millis(1_763_726_400_000);

    #[test]
    fn each_channel_and_each_webhook_has_a_breaker_of_its_own_and_site_and_browsers_none() {
        for broken in Channel::ALL {
            let breakers = Breakers::default();
            for _ in 0..100 {
                breakers.heard(broken, None, &Answer::new(AnswerClass::Unknown, "timeout"), NOON);
            }
            let open = |channel: &Channel| breakers.of(*channel).is_some_and(Breaker::is_open);
            let has_none = |channel: &Channel| matches!(channel, Channel::OnSite | Channel::WebPush | Channel::Webhook);
            let expected = Some(broken).filter(|channel| !has_none(channel));
            assert_eq!(Channel::ALL.into_iter().filter(open).collect::<Vec<_>>(), Vec::from_iter(expected));
        }
        let breakers = Breakers::default();
        for _ in 0..100 {
            breakers.heard(Channel::Webhook, Some("chatbot"), &Answer::new(AnswerClass::Unknown, "timeout"), NOON);
        }
        assert!(breakers.webhook("chatbot").is_open() && !breakers.webhook("crm").is_open());
    }

    #[test]
    fn limits_of_one_receiver_do_not_hold_up_the_others() {
        for (channel, code, is_open) in [
            (Channel::Viber, "12", false),
            (Channel::Whatsapp, "131056", false),
            (Channel::Whatsapp, "131016", true),
            (Channel::Email, "ThrottlingException", true),
            (Channel::MobilePush, "NotFoundException", false),
            (Channel::MobilePush, "Throttled", true),
        ] {
            let breakers = Breakers::default();
            for _ in 0..100 {
                breakers.heard(channel, None, &Answer::new(AnswerClass::Retryable, code), NOON);
            }
            assert_eq!(breakers.of(channel).is_some_and(Breaker::is_open), is_open, "{channel} {code}");
        }
    }
}
