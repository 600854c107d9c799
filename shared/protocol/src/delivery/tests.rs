#![allow(clippy::unwrap_used)]

use futures_util::FutureExt;
use kairos_engine::bounds::DELIVERY_TEXT_BYTES_KEPT_MAX;
use kairos_engine::consent::SuppressionReason;
use kairos_engine::playbook::{Channel, SmsProvider};
use kairos_engine::time::Span;

use super::*;

mod world;

use world::*;

#[test]
fn a_message_is_sent_once_and_recorded_with_what_was_sent() {
    for channel in Channel::ALL {
        let world = World::at_noon();
        assert_eq!(world.deliver(channel), Outcome::Sent);
        assert_eq!(world.deliver(channel), Outcome::AlreadyDone(Status::Sent));
        assert_eq!(world.sends(), 1);
        let record = world.record.borrow().clone().unwrap();
        assert_eq!(record.revision, 2, "one write to claim, one to record");
        assert_eq!((record.attempts, record.sent_at), (1, Some(NOON)));
        let said = if channel == Channel::Whatsapp { "cart (en): Ada | Mug" } else { "Your mug is waiting." };
        assert_eq!(record.text.as_deref(), Some(said));
        assert_eq!(record.answer.unwrap().provider_id.as_deref(), Some("0100-1"));
    }
}

#[test]
fn every_answer_of_a_provider_has_one_consequence() {
    use AnswerClass as A;
    // channel, answer, status and outcome when more attempts are left, status in the last attempt
    for (channel, class, status, outcome, last) in [
        (Channel::Sms, A::Retryable, Status::Waiting, Outcome::Waiting, Status::Failed),
        (Channel::Email, A::Retryable, Status::Waiting, Outcome::Waiting, Status::Failed),
        (Channel::Sms, A::Configuration, Status::Waiting, Outcome::Waiting, Status::Failed),
        (Channel::Sms, A::PermanentAddress, Status::Refused, Outcome::Refused, Status::Refused),
        (Channel::Email, A::PermanentMessage, Status::Refused, Outcome::Refused, Status::Refused),
        (Channel::Sms, A::Unknown, Status::Unconfirmed, Outcome::Unconfirmed, Status::Unconfirmed),
        (Channel::Email, A::Unknown, Status::Waiting, Outcome::Waiting, Status::Failed),
        (Channel::Webhook, A::Unknown, Status::Waiting, Outcome::Waiting, Status::Failed),
        (Channel::OnSite, A::Unknown, Status::Waiting, Outcome::Waiting, Status::Failed),
        (Channel::WebPush, A::Unknown, Status::Waiting, Outcome::Waiting, Status::Failed),
        (Channel::MobilePush, A::Unknown, Status::Waiting, Outcome::Waiting, Status::Failed),
        (Channel::Telegram, A::Unknown, Status::Waiting, Outcome::Waiting, Status::Failed),
        (Channel::Viber, A::Unknown, Status::Waiting, Outcome::Waiting, Status::Failed),
        (Channel::Whatsapp, A::Unknown, Status::Waiting, Outcome::Waiting, Status::Failed),
    ] {
        let world = World::at_noon();
        world.answers(class);
        assert_eq!(world.deliver(channel), outcome, "{channel} {class:?}");
        assert_eq!(world.status(), status, "{channel} {class:?}");
        let world = World::at_noon();
        world.answers(class);
        world.deliver_as(channel, "last", DELIVERY_ATTEMPTS_MAX).unwrap();
        assert_eq!(world.status(), last, "{channel} {class:?} in the last attempt");
    }
}

#[test]
fn nothing_is_sent_against_what_the_receiver_has_said() {
    for (objection, code) in
        [(Objection::NoConsent, "no_consent"), (Objection::Suppressed(SuppressionReason::Complaint), "suppressed")]
    {
        let world = World::at_noon();
        *world.objection.borrow_mut() = Some(objection);
        assert_eq!(world.deliver(Channel::Email), Outcome::Refused);
        assert_eq!(world.deliver(Channel::Email), Outcome::AlreadyDone(Status::Refused));
        assert_eq!((world.sends(), world.status()), (0, Status::Refused));
        let answer = world.record.borrow().clone().unwrap().answer.unwrap();
        assert_eq!((answer.class, answer.code.as_str()), (AnswerClass::NotAllowed, code));
    }
}

#[test]
fn a_refusal_is_heard_until_a_second_before_the_call() {
    // What takes that long, and how often is asked when nobody refuses.
    for (write_takes, asked, sends_though_refused) in
        [(Span::ZERO, 1, 1), (Span::from_millis(999), 1, 1), (Span::from_secs(1), 2, 0), (Span::from_secs(7), 2, 0)]
    {
        let world = World::at_noon();
        world.write_takes.set(write_takes);
        assert_eq!(world.deliver(Channel::Email), Outcome::Sent, "{write_takes}");
        assert_eq!(world.asked.get(), asked, "{write_takes}");
        let world = World::at_noon();
        world.write_takes.set(write_takes);
        world.refused_by_write.set(true);
        world.deliver(Channel::Email);
        assert_eq!(world.sends(), sends_though_refused, "{write_takes}");
        if sends_though_refused == 0 {
            assert_eq!(world.status(), Status::Refused);
        }
    }
}

#[test]
fn who_cannot_tell_whether_a_message_is_wanted_sends_it_later() {
    let slow = World::at_noon();
    slow.asking_takes.set(Span::from_secs(2));
    assert_eq!((slow.deliver(Channel::Sms), slow.asked.get(), slow.sends()), (Outcome::Waiting, 3, 0));
    slow.asking_takes.set(Span::ZERO);
    assert_eq!((slow.deliver(Channel::Sms), slow.sends()), (Outcome::Sent, 1));
    let (what, why) = ("UsersTable BatchGetItem", String::from("no"));
    for (fault, class) in [
        (Fault::Retryable { what, why: why.clone() }, AnswerClass::Retryable),
        (Fault::Permanent { what, why }, AnswerClass::Configuration),
    ] {
        let world = World::at_noon();
        *world.no_answer.borrow_mut() = Some(fault);
        assert_eq!((world.deliver(Channel::Sms), world.sends()), (Outcome::Waiting, 0));
        assert_eq!(world.record.borrow().clone().unwrap().answer.map(|answer| answer.class), Some(class));
    }
}

#[test]
fn a_claim_that_was_never_recorded_is_left_for_sms_and_taken_over_for_the_others() {
    for (channel, outcome, sends) in [
        (Channel::Sms, Outcome::Unconfirmed, 1),
        (Channel::Email, Outcome::Sent, 2),
        (Channel::Webhook, Outcome::Sent, 2),
        (Channel::OnSite, Outcome::Sent, 2),
        (Channel::WebPush, Outcome::Sent, 2),
        (Channel::MobilePush, Outcome::Sent, 2),
        (Channel::Telegram, Outcome::Sent, 2),
        (Channel::Viber, Outcome::Sent, 2),
        (Channel::Whatsapp, Outcome::Sent, 2),
    ] {
        let world = World::at_noon();
        world.dies_in_call.set(true);
        assert!(world.deliver_as(channel, "crashes", 1).is_none());
        world.dies_in_call.set(false);
        world.pass(Span::from_millis(CLAIM_LEASE.as_millis() - 1));
        assert_eq!(world.deliver(channel), Outcome::HeldByOther, "{channel}");
        assert_eq!(world.sends(), 1, "{channel}");
        world.pass(Span::from_millis(1));
        assert_eq!(world.deliver(channel), outcome, "{channel}");
        assert_eq!(world.sends(), sends, "{channel}");
        assert!(world.record.borrow().as_ref().unwrap().doubtful);
    }
}

#[test]
fn a_second_doubt_ends_a_message_whose_receiver_cannot_know_it_again() {
    for (channel, outcome) in [
        (Channel::Email, Outcome::Unconfirmed),
        (Channel::Telegram, Outcome::Unconfirmed),
        (Channel::Viber, Outcome::Unconfirmed),
        (Channel::Whatsapp, Outcome::Unconfirmed),
        (Channel::Webhook, Outcome::Waiting),
        (Channel::OnSite, Outcome::Waiting),
        (Channel::WebPush, Outcome::Waiting),
        (Channel::MobilePush, Outcome::Unconfirmed),
    ] {
        for (first_crashes, second_crashes) in [(false, false), (false, true), (true, false), (true, true)] {
            let world = World::at_noon();
            world.answers(AnswerClass::Unknown);
            for (attempt, crashes) in [("first", first_crashes), ("second", second_crashes)] {
                world.dies_in_call.set(crashes);
                let report = world.deliver_as(channel, attempt, 1);
                assert_eq!(report.is_none(), crashes, "{channel}");
                world.pass(CLAIM_LEASE);
            }
            world.dies_in_call.set(false);
            let what = format!("{channel}, {first_crashes}, {second_crashes}");
            let ended = world.deliver(channel);
            assert!(world.record.borrow().as_ref().unwrap().doubtful, "{what}");
            if policy(channel) == CrashPolicy::AtLeastOnce {
                assert_eq!((ended, world.sends()), (outcome, 3), "{what}");
            } else {
                assert_eq!((world.status(), world.sends()), (Status::Unconfirmed, 2), "{what}");
                assert!(!ended.comes_again(), "{what}");
            }
        }
    }
}

#[test]
fn what_is_known_not_to_be_sent_is_tried_again_though_it_was_doubtful_before() {
    let world = World::at_noon();
    world.answers(AnswerClass::Unknown);
    assert_eq!(world.deliver(Channel::Telegram), Outcome::Waiting);
    world.answers(AnswerClass::Retryable);
    assert_eq!(world.deliver(Channel::Telegram), Outcome::Waiting);
    assert_eq!(world.deliver(Channel::Telegram), Outcome::Waiting);
    world.answers(AnswerClass::Sent);
    assert_eq!(world.deliver(Channel::Telegram), Outcome::Sent);
}

#[test]
fn a_worker_that_dies_right_after_its_claim_leaves_the_same_doubt() {
    for (channel, outcome, sends) in [(Channel::Sms, Outcome::Unconfirmed, 0), (Channel::Email, Outcome::Sent, 1)] {
        let world = World::at_noon();
        world.writes.borrow_mut().push(Write::Dies);
        assert!(world.deliver_as(channel, "crashes", 1).is_none());
        world.pass(CLAIM_LEASE);
        assert_eq!(world.deliver(channel), outcome, "{channel}");
        assert_eq!(world.sends(), sends, "{channel}");
    }
}

#[test]
fn a_moment_that_has_passed_is_recorded_and_not_sent() {
    let world = World::at_noon();
    world.pass(Span::from_hours(3));
    assert_eq!(world.deliver(Channel::Sms), Outcome::Expired);
    assert_eq!(world.deliver(Channel::Sms), Outcome::AlreadyDone(Status::Expired));
    assert_eq!((world.sends(), world.record.borrow().as_ref().unwrap().attempts), (0, 0));
}

#[test]
fn a_moment_that_passes_while_it_waits_or_is_claimed_is_not_sent_either() {
    let world = World::at_noon();
    world.answers(AnswerClass::Retryable);
    assert_eq!(world.deliver(Channel::Email), Outcome::Waiting);
    world.pass(Span::from_hours(3));
    assert_eq!(world.deliver(Channel::Email), Outcome::Expired);

    let world = World::at_noon();
    world.pass(Span::from_millis(3 * 3_600_000 - 1));
    world.write_takes.set(Span::from_millis(1));
    assert_eq!(world.deliver(Channel::Email), Outcome::Expired);
    assert_eq!(world.sends(), 0);
}

#[test]
fn what_may_have_been_sent_never_ends_as_expired() {
    let world = World::at_noon();
    world.answers(AnswerClass::Unknown);
    assert_eq!(world.deliver(Channel::Email), Outcome::Waiting);
    world.answers(AnswerClass::Retryable);
    assert_eq!(world.deliver(Channel::Email), Outcome::Waiting);
    world.pass(Span::from_hours(3));
    assert_eq!(world.deliver(Channel::Email), Outcome::Unconfirmed);
}

#[test]
fn what_cannot_be_composed_is_recorded_without_a_claim() {
    for (class, status, outcome) in [
        (AnswerClass::Retryable, Status::Waiting, Outcome::Waiting),
        (AnswerClass::Configuration, Status::Waiting, Outcome::Waiting),
        (AnswerClass::PermanentMessage, Status::Refused, Outcome::Refused),
    ] {
        let world = World::at_noon();
        *world.composed.borrow_mut() = Some(Answer::new(class, "render"));
        assert_eq!(world.deliver(Channel::Email), outcome);
        let record = world.record.borrow().clone().unwrap();
        assert_eq!((record.status, record.revision, record.attempts), (status, 1, 0));
        assert_eq!(world.sends(), 0);
    }
}

#[test]
fn failed_messages_go_to_the_dead_letter_queue_and_are_tried_again_when_redriven() {
    let world = World::at_noon();
    world.answers(AnswerClass::Configuration);
    for receives in 1..=DELIVERY_ATTEMPTS_MAX {
        let report = world.deliver_as(Channel::Sms, &format!("attempt {receives}"), receives).unwrap();
        let expected = if receives == DELIVERY_ATTEMPTS_MAX { Outcome::Failed } else { Outcome::Waiting };
        assert_eq!(report.outcome, expected);
        assert!(report.outcome.comes_again());
    }
    let report = world.deliver_as(Channel::Sms, "one more", DELIVERY_ATTEMPTS_MAX + 1).unwrap();
    assert_eq!(report.outcome, Outcome::Failed, "a queue that gives it more often gets no more attempts");
    assert_eq!(world.sends(), DELIVERY_ATTEMPTS_MAX as usize);

    world.answers(AnswerClass::Sent);
    assert_eq!(world.deliver(Channel::Sms), Outcome::Sent);
    assert_eq!(world.record.borrow().as_ref().unwrap().attempts, DELIVERY_ATTEMPTS_MAX + 1);
}

#[test]
fn a_claim_whose_answer_was_lost_is_written_again_and_known_as_ones_own() {
    for claim in [Write::AnswerLost, Write::Lost] {
        let world = World::at_noon();
        world.writes.borrow_mut().push(claim);
        assert_eq!(world.deliver(Channel::Sms), Outcome::Sent);
        assert_eq!((world.sends(), world.record.borrow().as_ref().unwrap().revision), (1, 2));
    }
}

#[test]
fn a_fault_while_claiming_leaves_the_claim_of_another_worker_alone() {
    let world = World::at_noon();
    world.dies_in_call.set(true);
    assert!(world.deliver_as(Channel::Sms, "crashes", 1).is_none());
    world.dies_in_call.set(false);
    world.pass(CLAIM_LEASE);
    world.writes.borrow_mut().push(Write::Lost);
    assert_eq!(world.deliver(Channel::Sms), Outcome::Unconfirmed);
    assert_eq!(world.sends(), 1);
}

#[test]
fn a_claim_that_never_got_an_answer_waits_for_its_lease() {
    let world = World::at_noon();
    world.writes.borrow_mut().extend([Write::AnswerLost, Write::Lost, Write::Lost]);
    assert_eq!(world.deliver(Channel::Sms), Outcome::Unrecorded);
    assert_eq!(world.deliver(Channel::Sms), Outcome::HeldByOther);
    world.pass(CLAIM_LEASE);
    assert_eq!(world.deliver(Channel::Sms), Outcome::Unconfirmed, "the safe side: not sent rather than sent twice");
    assert_eq!(world.sends(), 0);
}

#[test]
fn a_write_that_the_client_repeated_by_itself_is_known_as_ones_own() {
    let world = World::at_noon();
    world.writes.borrow_mut().extend([Write::DoneTwice, Write::DoneTwice]);
    assert_eq!(world.deliver(Channel::Sms), Outcome::Sent);
    assert_eq!((world.sends(), world.status()), (1, Status::Sent));
}

#[test]
fn the_same_message_twice_in_one_batch_is_sent_once() {
    let world = World::at_noon();
    let message = DeliveryMessage::V1(Box::new(order(Channel::Email)));
    let incoming = |receipt: &str, message| Incoming { receipt: receipt.into(), receives: 1, message };
    let batch =
        vec![incoming("a", Ok(message.clone())), incoming("a", Ok(message)), incoming("b", Err("not JSON".into()))];
    let ports = Ports {
        records: &world,
        permissions: &world,
        composer: &world,
        provider: &world,
        later: &world,
        clock: &world,
    };
    let delivered = ports.deliver_batch("invocation", batch).now_or_never().unwrap();
    let outcomes: Vec<&str> = delivered.reports.iter().map(|report| report.outcome.as_str()).collect();
    assert_eq!(outcomes, ["sent", "already_done", "unreadable"]);
    assert_eq!(delivered.failed, ["b"]);
    assert_eq!(world.sends(), 1);
}

#[test]
fn what_was_sent_is_not_sent_again_though_it_could_not_be_recorded() {
    let world = World::at_noon();
    world.writes.borrow_mut().extend([Write::Well, Write::Lost, Write::Lost, Write::Lost]);
    let outcome = world.deliver(Channel::Email);
    assert_eq!(outcome, Outcome::SentUnrecorded);
    assert!(!outcome.comes_again());

    let world = World::at_noon();
    world.writes.borrow_mut().extend([Write::Well, Write::Lost, Write::AnswerLost]);
    assert_eq!(world.deliver(Channel::Email), Outcome::Sent, "trying to record again helps");
}

#[test]
fn a_worker_that_slept_with_its_claim_does_not_call_the_provider() {
    let world = World::at_noon();
    world.write_takes.set(CLAIM_LEASE);
    assert_eq!(world.deliver(Channel::Sms), Outcome::Waiting);
    assert_eq!(world.sends(), 0);
}

#[test]
fn a_late_answer_corrects_a_record_that_was_given_up_as_unconfirmed() {
    let world = World::at_noon();
    world.dies_in_call.set(true);
    assert!(world.deliver_as(Channel::Sms, "slow", 1).is_none());
    let claimed = world.record.borrow().clone().unwrap();
    world.dies_in_call.set(false);
    world.pass(CLAIM_LEASE);
    assert_eq!(world.deliver(Channel::Sms), Outcome::Unconfirmed);

    let ports = Ports {
        records: &world,
        permissions: &world,
        composer: &world,
        provider: &world,
        later: &world,
        clock: &world,
    };
    let sent = claimed.answered(Answer::new(AnswerClass::Sent, "ok"), false, world.now());
    let report = ports.conclude(&order(Channel::Sms), sent, claimed.revision).now_or_never().unwrap();
    assert_eq!((report.outcome, world.status()), (Outcome::Sent, Status::Sent));
    assert_eq!(world.record.borrow().as_ref().unwrap().revision, 3);
}

#[test]
fn a_claim_given_up_as_unconfirmed_stays_so_when_its_worker_has_nothing_sent() {
    let world = World::at_noon();
    world.dies_in_call.set(true);
    assert!(world.deliver_as(Channel::Sms, "slow", 1).is_none());
    let claimed = world.record.borrow().clone().unwrap();
    world.dies_in_call.set(false);
    world.pass(CLAIM_LEASE);
    assert_eq!(world.deliver(Channel::Sms), Outcome::Unconfirmed);

    let ports = Ports {
        records: &world,
        permissions: &world,
        composer: &world,
        provider: &world,
        later: &world,
        clock: &world,
    };
    let not_sent = claimed.answered(Answer::new(AnswerClass::Retryable, "claim_too_old"), false, world.now());
    let report = ports.conclude(&order(Channel::Sms), not_sent, claimed.revision).now_or_never().unwrap();
    assert_eq!(report.outcome, Outcome::AlreadyDone(Status::Unconfirmed));
    assert_eq!(world.status(), Status::Unconfirmed, "nobody would come back to a record that waits");
}

/// Every sequence of five faults in the first writes, with and without a crash in the provider's call.
#[test]
fn whatever_goes_wrong_sms_goes_out_at_most_once_webhooks_at_least_once_and_the_others_at_most_twice() {
    const WRITES: [Write; 5] = [Write::Well, Write::Lost, Write::AnswerLost, Write::DoneTwice, Write::Dies];
    for (case, dies_in_call) in (0..5_usize.pow(5)).flat_map(|case| [(case, false), (case, true)]) {
        for channel in Channel::ALL {
            let world = World::at_noon();
            let writes: Vec<Write> = (0..5).map(|place| WRITES[case / 5_usize.pow(place) % 5]).collect();
            world.writes.borrow_mut().extend(writes);
            world.dies_in_call.set(dies_in_call);
            let ended = (1..=12).find_map(|attempt| {
                let report = world.deliver_as(channel, &format!("attempt {attempt}"), 1);
                world.dies_in_call.set(world.dies_in_call.get() && world.sends() == 0);
                world.pass(Span::from_secs(180));
                report.map(|report| report.outcome).filter(|outcome| !outcome.comes_again())
            });
            let what = format!("case {case}, dies in call: {dies_in_call}, {channel}");
            let outcome = ended.unwrap_or_else(|| panic!("never acknowledged: {what}"));
            let sends = world.sends();
            match policy(channel) {
                CrashPolicy::AtMostOnce => assert!(sends <= 1, "sent {sends} times: {what}"),
                CrashPolicy::AtMostTwice => assert!(sends <= 2, "sent {sends} times: {what}"),
                CrashPolicy::AtLeastOnce => assert!(sends >= 1, "never sent: {what}"),
            }
            match world.status() {
                Status::Sent => assert!(sends >= 1, "recorded but not sent: {what}"),
                Status::Unconfirmed => assert_ne!(policy(channel), CrashPolicy::AtLeastOnce, "{what}"),
                status => assert_eq!((status, outcome), (Status::Claimed, Outcome::SentUnrecorded), "{what}"),
            }
            let nothing_lost =
                (0..5).all(|place| matches!(WRITES[case / 5_usize.pow(place) % 5], Write::Well | Write::DoneTwice));
            if nothing_lost && !dies_in_call {
                assert_eq!((sends, world.status()), (1, Status::Sent), "{what}");
            }
        }
    }
}

#[test]
fn a_message_whose_provider_is_left_alone_goes_back_to_the_queue_untouched() {
    let minute = Span::from_mins(1);
    let by = |change: &dyn Fn(&World)| {
        let world = World::at_noon();
        change(&world);
        world
    };
    let paused = Answer::new(AnswerClass::Retryable, "paused").with_retry_after(Some(minute));
    for world in
        [by(&|world| world.wait.set(Some(minute))), by(&|world| *world.composed.borrow_mut() = Some(paused.clone()))]
    {
        // However often: the times that the queue gives it are not used up, also the last.
        for receives in [1, DELIVERY_ATTEMPTS_MAX] {
            let report = world.deliver_as(Channel::Sms, "worker", receives).unwrap();
            assert_eq!((report.outcome, report.outcome.comes_again()), (Outcome::PutOff, false));
        }
        // In between it may be there twice already: it waits, and does not multiply.
        for receives in [2, DELIVERY_ATTEMPTS_MAX - 1] {
            assert_eq!(world.deliver_as(Channel::Sms, "worker", receives).unwrap().outcome, Outcome::Waiting);
        }
        let delivery = order(Channel::Sms).delivery;
        assert_eq!(*world.put_off.borrow(), [(delivery, minute), (delivery, minute)]);
        assert!(world.record.borrow().is_none() && world.sends() == 0);

        // The queue takes nothing: the message itself stays there.
        world.queue_is_down.set(true);
        assert_eq!(world.deliver(Channel::Sms), Outcome::Waiting);

        // Its moment passes, whatever becomes of the provider.
        world.now.set(order(Channel::Sms).expires_at);
        assert_eq!((world.deliver(Channel::Sms), world.status()), (Outcome::Expired, Status::Expired));
    }
}

#[test]
fn the_other_provider_of_sms_gets_what_the_first_one_has_certainly_not_taken() {
    use SmsProvider::{EndUserMessaging, Sns};
    let both = &[Sns, EndUserMessaging][..];
    for (first, providers, expected) in [
        (AnswerClass::Sent, &[Sns][..], Status::Sent),
        (AnswerClass::Retryable, both, Status::Sent),
        // Perhaps taken: never twice.
        (AnswerClass::Unknown, &[Sns], Status::Unconfirmed),
        (AnswerClass::PermanentAddress, &[Sns], Status::Refused),
        (AnswerClass::PermanentMessage, &[Sns], Status::Refused),
        (AnswerClass::Configuration, &[Sns], Status::Waiting),
    ] {
        let world = World::at_noon();
        world.answers(first);
        *world.fallback.borrow_mut() = Some(Answer::new(AnswerClass::Sent, "accepted"));
        world.deliver(Channel::Sms);
        assert_eq!((world.sent_by.borrow().as_slice(), world.status()), (providers, expected), "{first:?}");
        assert_eq!(world.record.borrow().as_ref().unwrap().attempts, 1);
    }
    // It does not serve that country, and perhaps the other one does.
    for class in [AnswerClass::Configuration, AnswerClass::PermanentMessage] {
        let world = World::at_noon();
        *world.answer.borrow_mut() = Some(Answer::new(class, "COUNTRY_NOT_ENABLED").not_served());
        *world.fallback.borrow_mut() = Some(Answer::new(AnswerClass::Sent, "accepted"));
        world.deliver(Channel::Sms);
        assert_eq!((world.sent_by.borrow().as_slice(), world.status()), (both, Status::Sent));
    }
    // Both say no: it waits. The other one perhaps has it: that is the end.
    for (second, expected) in [(AnswerClass::Retryable, Status::Waiting), (AnswerClass::Unknown, Status::Unconfirmed)] {
        let world = World::at_noon();
        world.answers(AnswerClass::Retryable);
        *world.fallback.borrow_mut() = Some(Answer::new(second, "code"));
        world.deliver(Channel::Sms);
        assert_eq!(world.status(), expected);
    }
}

#[test]
fn the_other_provider_of_sms_is_not_asked_when_time_or_consent_is_over() {
    let by = |change: &dyn Fn(&World)| {
        let world = World::at_noon();
        world.answers(AnswerClass::Retryable);
        *world.fallback.borrow_mut() = Some(Answer::new(AnswerClass::Sent, "accepted"));
        change(&world);
        world.deliver(Channel::Sms);
        assert_eq!(*world.sent_by.borrow(), [SmsProvider::Sns]);
        world.status()
    };
    let late = Span::from_millis(SMS_FALLBACK_WITHIN.as_millis() + 1);
    assert_eq!(by(&|world| world.provider_takes.set(late)), Status::Waiting);
    let moment_ends = order(Channel::Sms).expires_at;
    let over = |world: &World| {
        world.now.set(moment_ends.minus(Span::from_millis(10)));
        world.provider_takes.set(Span::from_millis(10));
    };
    assert_eq!(by(&over), Status::Waiting);
}

#[test]
fn a_message_is_put_off_no_longer_than_its_moment_lasts_and_no_longer_than_the_queue_can() {
    let order = order(Channel::Email);
    for (wait, left, expected) in [
        (Span::from_hours(2), Span::from_hours(5), QUEUE_DELAY_MAX),
        (Span::from_mins(5), Span::from_secs(40), Span::from_secs(40)),
        (Span::from_millis(3), Span::from_hours(1), LATER_MIN),
    ] {
        let world = World::at_noon();
        world.now.set(order.expires_at.minus(left));
        world.wait.set(Some(wait));
        assert_eq!(world.deliver(Channel::Email), Outcome::PutOff);
        assert_eq!(*world.put_off.borrow(), [(order.delivery, expected)]);
    }
}

#[test]
fn what_is_kept_of_a_message_is_bounded() {
    let claimed = DeliveryRecord::next(None, &order(Channel::Sms), "worker", &Intent::Claim, NOON);
    let long = "é".repeat(DELIVERY_TEXT_BYTES_KEPT_MAX);
    let kept = claimed.with_text(&Content::Sms { sender: SmsSettings::default(), text: long });
    assert_eq!(kept.text.unwrap().len(), DELIVERY_TEXT_BYTES_KEPT_MAX);
}

/// Every version of the record ever written must be read for as long as records are kept.
#[test]
fn the_stored_record_is_the_golden_file() {
    let golden = include_str!("../../tests/golden/delivery_record_v1.json");
    let claimed = DeliveryRecord::next(None, &order(Channel::Email), "9d1f/0", &Intent::Claim, NOON);
    let answer = Answer::new(AnswerClass::Sent, "accepted")
        .with_provider_id("0100019a-7b1c")
        .with_detail("queued")
        .with_retry_after(Some(Span::from_secs(1)));
    let content = Content::Email {
        sender: EmailSettings { from: "hello@shop.example".into(), reply_to: None },
        subject: "Still there".into(),
        text: "Your mug is waiting.".into(),
        html: None,
        unsubscribe: None,
    };
    let mut record = claimed.answered(answer, false, NOON.plus(Span::from_millis(80))).with_text(&content);
    record.doubtful = true;
    assert_eq!(DeliveryRecord::from_json(golden).unwrap(), record);
    let written: serde_json::Value = serde_json::from_str(&record.to_json().unwrap()).unwrap();
    let stored: serde_json::Value = serde_json::from_str(golden).unwrap();
    assert_eq!(written, stored, "the stored form changed: keep reading the old one and add a new golden file");
    assert!(DeliveryRecord::from_json(r#"{"v":"2"}"#).is_err());
}
