//! Not only shops: education, software, finance.

use crate::story::story;

#[test]
fn whoever_stops_after_the_first_lesson_gets_a_hand() {
    story(
        "first_lesson",
        r#"
        Mon 09:00 ann is a customer with an email
        Mon 20:00 ann does Lesson Watched lesson=1 course="Bread at Home"
        => Wed 20:00 ann: first_lesson by email "Lesson two of Bread at Home is waiting"
        Thu 20:00 ann does Course Purchased
        => Thu 20:00 ann: first_lesson reached its goal 24 h after the message
        Fri 12:00 that's all
        "#,
    );
}

#[test]
fn whoever_goes_on_is_shown_the_rest_and_whoever_has_bought_is_left_to_learn() {
    story(
        "first_lesson",
        r#"
        Mon 09:00 ann is a customer with an email
        Mon 09:00 ben is a customer with an email
        Mon 20:00 ann does Lesson Watched lesson=1 course="Bread at Home"
        Mon 20:00 ben does Lesson Watched lesson=1 course="Bread at Home"
        Tue 19:00 ann does Lesson Watched lesson=2 course="Bread at Home"
        => Tue 19:00 ann: first_lesson not sent: this play is once for each user
        Tue 19:00 ben does Course Purchased
        => Tue 19:00 ben: first_lesson cancelled
        => Wed 19:00 ann: first_lesson by email "You have begun well: the rest of Bread at Home"
        Sun 12:00 that's all
        "#,
    );
}

#[test]
fn a_trial_in_which_nothing_happens_is_asked_what_is_in_the_way() {
    story(
        "trial_started",
        r#"
        Mon 10:00 ann is a customer with an email
        Mon 10:00 ann does Trial Started plan=team
        => Mon 10:00 ann: trial_started by email "Your trial: three steps for the first ten minutes"
        => Thu 10:00 ann: trial_started by email "Is something in the way?"
        => 5 Dec 10:00 ann: trial_started by email "Your trial ends in three days"
        20 Dec 12:00 that's all
        "#,
    );
}

#[test]
fn a_trial_that_goes_well_is_only_told_when_it_ends_and_a_subscription_ends_it_all() {
    story(
        "trial_started",
        r#"
        Mon 10:00 ann is a customer with an email
        Mon 10:00 ben is a customer with an email
        Mon 10:00 ann does Trial Started plan=team
        => Mon 10:00 ann: trial_started by email "Your trial: three steps for the first ten minutes"
        Mon 10:00 ben does Trial Started plan=team
        => Mon 10:00 ben: trial_started by email "Your trial: three steps for the first ten minutes"
        Tue 11:00 ann does Project Created
        Tue 11:00 ben does Project Created
        Wed 11:00 ben does Subscription Started
        => Wed 11:00 ben: trial_started reached its goal 2 days 1 h after the message
        => Wed 11:00 ben: trial_started cancelled
        => 5 Dec 10:00 ann: trial_started by email "Your trial ends in three days"
        20 Dec 12:00 that's all
        "#,
    );
}

#[test]
fn the_webinar_and_for_whoever_could_not_come_its_recording() {
    story(
        "webinar_registered",
        r#"
        Mon 21:30 ann is a customer with an email
        Mon 21:30 ben is a customer with an email
        Mon 21:30 ann does Webinar Registered title="Bread for beginners" date="Thu 27 Nov, 18:00"
        => Mon 21:30 ann: webinar_registered by email "You are in: Bread for beginners"
        Mon 21:31 ben does Webinar Registered title="Bread for beginners" date="Thu 27 Nov, 18:00"
        => Mon 21:31 ben: webinar_registered by email "You are in: Bread for beginners"
        Thu 18:00 ann does Webinar Joined title="Bread for beginners"
        => 3 Dec 09:00 ben: webinar_registered by email "The recording: Bread for beginners"
        10 Dec 12:00 that's all
        "#,
    );
}

#[test]
fn a_loan_form_that_was_half_filled_is_remembered_in_business_hours_and_names_no_loan() {
    story(
        "loan_form",
        r#"
        Mon 09:00 ann is a customer with a phone
        Fri 20:00 ann does Form Progressed form=loan percent=60
        => 1 Dec 09:00 ann: loan_form by sms "Ann, your application is half done and kept for 30 days: https://bank.example/application Questions? 030 1234567"
        1 Dec 10:00 ann does Form Submitted form=loan
        => 1 Dec 10:00 ann: loan_form reached its goal 1 h after the message
        5 Dec 12:00 that's all
        "#,
    );
}

#[test]
fn whoever_submits_it_or_has_hardly_begun_or_filled_another_form_hears_nothing() {
    story(
        "loan_form",
        r#"
        Mon 09:00 ann is a customer with a phone
        Mon 09:00 ben is a customer with a phone
        Mon 09:00 eva is a customer with a phone
        Mon 10:00 ann does Form Progressed form=loan percent=60
        Mon 10:00 ben does Form Progressed form=loan percent=20
        Mon 10:00 eva does Form Progressed form=newsletter percent=80
        Mon 10:40 ann does Form Submitted form=loan
        => Mon 10:40 ann: loan_form cancelled
        Mon 20:00 that's all
        "#,
    );
}
