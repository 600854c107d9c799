//! Every channel to its provider, unless that is to be left alone ([`Breaker`]).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_sns::config::retry::RetryConfig;
use aws_sdk_sns::config::timeout::TimeoutConfig;
use kairos_cloud::https::http_client_without_pool;
use kairos_cloud::inbox::InboxTable;
use kairos_cloud::telemetry;
use kairos_engine::bounds::PROVIDER_TIMEOUT;
use kairos_engine::mailbox::DeliveryOrder;
use kairos_engine::playbook::{Channel, SmsProvider, SmsSettings};
use kairos_engine::time::{Span, Timestamp};
use kairos_protocol::delivery::breaker::Breaker;
use kairos_protocol::delivery::{Answer, AnswerClass, Content, Provider};
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
    /// SNS and AWS End User Messaging.
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

/// The breakers of all providers: one for each channel, for SMS one for each service, and one for each webhook. The site has
/// none: its inbox is a table of the stack's own. Nor have browsers: each has a push service of its maker's. Notifications of
/// the app have one of their own beside that of SMS by SNS, because SNS throttles them apart.
#[derive(Debug, Default)]
pub struct Breakers {
    email: Breaker,
    sns: Breaker,
    end_user_messaging: Breaker,
    /// By their names. Playbooks name few.
    webhooks: Mutex<BTreeMap<String, Arc<Breaker>>>,
    telegram: Breaker,
    viber: Breaker,
    whatsapp: Breaker,
    mobile_push: Breaker,
    /// By which services the last SMS was to be sent.
    sms_by: Mutex<Option<(SmsProvider, Option<SmsProvider>)>>,
}

impl Breakers {
    /// That of a channel with one provider.
    fn of(&self, channel: Channel) -> Option<&Breaker> {
        match channel {
            Channel::Email => Some(&self.email),
            Channel::Telegram => Some(&self.telegram),
            Channel::Viber => Some(&self.viber),
            Channel::Whatsapp => Some(&self.whatsapp),
            Channel::MobilePush => Some(&self.mobile_push),
            // Which service an SMS goes by, and which webhook a message goes to, is known when it is composed.
            Channel::Sms | Channel::Webhook | Channel::OnSite | Channel::WebPush => None,
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

    const fn of_sms(&self, provider: SmsProvider) -> &Breaker {
        match provider {
            SmsProvider::Sns => &self.sns,
            SmsProvider::EndUserMessaging => &self.end_user_messaging,
        }
    }

    /// How long an SMS waits: until one of its services may be called. Which those are, the playbook says, which is not read
    /// yet: they are taken to be those of the last SMS. (A service that was never called has no trouble.)
    fn wait_of_sms(&self, now: Timestamp) -> Option<Span> {
        match *self.sms_by() {
            None => None,
            Some((only, None)) => self.of_sms(only).wait(now),
            // Who tries is found out by the call: the other one may do so, too.
            Some((first, Some(fallback))) => {
                let wait = self.of_sms(first).would_wait(now)?;
                Some(wait.min(self.of_sms(fallback).would_wait(now)?))
            }
        }
    }

    /// Whether the service that an SMS is to be sent by now is to be left alone, though another one is not.
    fn leaves_alone(&self, sender: &SmsSettings, now: Timestamp) -> bool {
        *self.sms_by() = Some((sender.provider, sender.fallback));
        sender.fallback.is_some() && self.of_sms(sender.provider).wait(now).is_some()
    }

    fn sms_by(&self) -> MutexGuard<'_, Option<(SmsProvider, Option<SmsProvider>)>> {
        // Two names are sound whatever a panicking thread left behind.
        self.sms_by.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hears what a provider has said, and tells people when it is left alone from now on.
fn heard(breaker: &Breaker, provider: &str, channel: Channel, answer: &Answer, now: Timestamp) {
    if !is_of_one_receiver(channel, answer) && breaker.heard(answer, now) {
        telemetry::count("breaker_opened", 1);
        tracing::error!(provider, code = answer.code, "the provider is out of order, and left alone for a while");
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
        let now = self.clock.now();
        match order.channel {
            Channel::Sms => self.breakers.wait_of_sms(now),
            channel => self.breakers.of(channel)?.wait(now),
        }
    }

    async fn send(&self, order: &DeliveryOrder, content: &Content) -> Answer {
        if let Content::Sms { sender, .. } = content {
            if self.breakers.leaves_alone(sender, self.clock.now()) {
                return Answer::new(AnswerClass::Retryable, "left_alone");
            }
            let answer = self.call(order, content).await;
            let breaker = self.breakers.of_sms(sender.provider);
            heard(breaker, sender.provider.as_str(), Channel::Sms, &answer, self.clock.now());
            return answer;
        }
        let answer = self.call(order, content).await;
        if let Content::Webhook { name, .. } = content {
            heard(&self.breakers.webhook(name), name, order.channel, &answer, self.clock.now());
        } else if let Some(breaker) = self.breakers.of(order.channel) {
            heard(breaker, order.channel.as_str(), order.channel, &answer, self.clock.now());
        }
        answer
    }
}

impl<K: SigningKeys, T: Tokens, W: Notifies, A: Pushes, C: Clock> Providers<K, T, W, A, C> {
    async fn call(&self, order: &DeliveryOrder, content: &Content) -> Answer {
        match content {
            Content::Sms { sender, text } => self.sms.send(order, sender, text, self.clock.now()).await,
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
    config
        .to_builder()
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts)
        .http_client(http_client_without_pool())
        .build()
}

/// A span that is not negative, as the standard library has it.
pub(crate) fn duration(span: Span) -> Duration {
    Duration::from_millis(span.as_millis().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kairos_engine::bounds::{BREAKER_OPEN, BREAKER_PROBE};

    const NOON: Timestamp = Timestamp::from_millis(1_763_726_400_000);

    fn trouble(breaker: &Breaker, channel: Channel, class: AnswerClass, code: &str) {
        for _ in 0..100 {
            heard(breaker, "provider", channel, &Answer::new(class, code), NOON);
        }
    }

    #[test]
    fn each_provider_and_each_webhook_has_a_breaker_of_its_own_and_site_and_browsers_none() {
        for broken in Channel::ALL {
            let breakers = Breakers::default();
            if let Some(breaker) = breakers.of(broken) {
                trouble(breaker, broken, AnswerClass::Unknown, "timeout");
            }
            let open = |channel: &Channel| breakers.of(*channel).is_some_and(Breaker::is_open);
            let has_one = |channel: &Channel| {
                !matches!(channel, Channel::OnSite | Channel::Sms | Channel::WebPush | Channel::Webhook)
            };
            let expected = Some(broken).filter(has_one);
            assert_eq!(Channel::ALL.into_iter().filter(open).collect::<Vec<_>>(), Vec::from_iter(expected));
        }
        let breakers = Breakers::default();
        trouble(&breakers.webhook("chatbot"), Channel::Webhook, AnswerClass::Unknown, "timeout");
        assert!(breakers.webhook("chatbot").is_open() && !breakers.webhook("crm").is_open());
    }

    #[test]
    fn an_sms_waits_when_neither_of_its_providers_may_be_called() {
        let breakers = Breakers::default();
        let alone = SmsSettings::default();
        let with_other = SmsSettings { fallback: Some(SmsProvider::EndUserMessaging), ..SmsSettings::default() };
        let by_other =
            SmsSettings { provider: SmsProvider::EndUserMessaging, fallback: Some(SmsProvider::Sns), ..alone.clone() };
        assert_eq!(breakers.wait_of_sms(NOON), None);
        assert!(!breakers.leaves_alone(&alone, NOON));
        trouble(&breakers.sns, Channel::Sms, AnswerClass::Unknown, "timeout");
        assert_eq!(breakers.wait_of_sms(NOON), Some(BREAKER_OPEN));
        assert!(breakers.leaves_alone(&with_other, NOON) && !breakers.leaves_alone(&by_other, NOON));
        assert_eq!(breakers.wait_of_sms(NOON), None);
        trouble(&breakers.end_user_messaging, Channel::Sms, AnswerClass::Retryable, "ThrottlingException");
        assert_eq!(breakers.wait_of_sms(NOON), Some(BREAKER_OPEN));
        assert!(breakers.leaves_alone(&by_other, NOON));
    }

    #[test]
    fn one_sms_tries_a_service_that_was_out_of_order_and_the_others_take_the_other_one() {
        let breakers = Breakers::default();
        let with_other = SmsSettings { fallback: Some(SmsProvider::EndUserMessaging), ..SmsSettings::default() };
        trouble(&breakers.sns, Channel::Sms, AnswerClass::Unknown, "timeout");
        let over = NOON.plus(BREAKER_OPEN);
        assert!(!breakers.leaves_alone(&with_other, over) && breakers.leaves_alone(&with_other, over));
        assert_eq!(breakers.wait_of_sms(over), None);
        // Without another one, who tries has asked before composing.
        assert!(!breakers.leaves_alone(&SmsSettings::default(), over));
        assert!(breakers.wait_of_sms(over).is_some() && breakers.wait_of_sms(over.plus(BREAKER_PROBE)).is_none());
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
            let breaker = Breaker::default();
            trouble(&breaker, channel, AnswerClass::Retryable, code);
            assert_eq!(breaker.is_open(), is_open, "{channel} {code}");
        }
    }
}
