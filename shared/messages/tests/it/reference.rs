//! Our subset of Liquid means what it means elsewhere. (Left out: `size` and `truncate` of letters beyond
//! ASCII, where the reference counts bytes and Shopify's Liquid, like ours, characters.)

use super::{data, text};
use liquid_core::model::{Object, Value};
use liquid_core::parser::Language;
use liquid_core::runtime::{RuntimeBuilder, Template};
use liquid_core::{Renderable, parser};

fn reference(template: &str) -> String {
    let mut language = Language::empty();
    macro_rules! register {
        ($place:ident: $($name:literal $plugin:ident),*) => {
            $( language.$place.register($name.into(), liquid_lib::stdlib::$plugin.into()); )*
        };
    }
    register!(blocks: "if" IfBlock, "unless" UnlessBlock, "case" CaseBlock, "for" ForBlock, "raw" RawBlock,
        "comment" CommentBlock);
    register!(tags: "assign" AssignTag, "break" BreakTag, "continue" ContinueTag);
    register!(filters: "append" Append, "capitalize" Capitalize, "default" Default, "downcase" Downcase,
        "minus" Minus, "plus" Plus, "prepend" Prepend, "remove" Remove, "replace" Replace, "size" Size,
        "strip" Strip, "times" Times, "truncate" Truncate, "upcase" Upcase);
    let texts = |pairs: &[(&str, &str)]| {
        let mut object = Object::new();
        for (name, text) in pairs {
            object.insert((*name).to_owned().into(), Value::scalar((*text).to_owned()));
        }
        object
    };
    let mut user = texts(&[("id", "u1"), ("first_name", "Ann")]);
    user.insert("last_name".into(), Value::Nil);
    let mut mug = texts(&[("id", "mug"), ("name", "Blue Mug")]);
    mug.insert("quantity".into(), Value::scalar(2i64));
    let mut tea = texts(&[("id", "tea")]);
    tea.insert("name".into(), Value::Nil);
    tea.insert("quantity".into(), Value::scalar(1i64));
    let mut cart = Object::new();
    cart.insert("items".into(), Value::Array(vec![Value::Object(mug), Value::Object(tea)]));
    let mut globals = Object::new();
    globals.insert("user".into(), Value::Object(user));
    globals.insert("cart".into(), Value::Object(cart));
    let runtime = RuntimeBuilder::new().set_globals(&globals).build();
    Template::new(parser::parse(template, &language).unwrap()).render(&runtime).unwrap()
}

#[test]
fn our_subset_means_what_the_reference_means() {
    let data = data();
    for template in [
        "Hi {{ user.first_name }}{{ user.last_name }}!",
        "{{ user.last_name | default: 'friend' }} {{ '' | default: 'x' }} {{ false | default: 1 }} {{ 0 | default: 2 }}",
        "<{% for item in cart.items %}{{ forloop.index }}{{ forloop.rindex0 }}{{ item.name }}{{ item.quantity }};{% endfor %}>",
        "{% for item in cart.items reversed %}{{ item.id }}{% if forloop.first %}, {% endif %}{% endfor %}",
        "{% for item in cart.items limit: 1 %}{{ item.id }}{{ forloop.last }}{% endfor %}",
        "{% for item in cart.items offset: 1 %}{{ item.id }}{% else %}none{% endfor %}",
        "{% for i in (2..5) %}{% if i == 3 %}{% continue %}{% endif %}{% if i == 5 %}{% break %}{% endif %}{{ i }}{% endfor %}",
        "{% for i in (5..2) %}{{ i }}{% else %}none{% endfor %}",
        "{% for i in (1..3) %}{% assign last = i %}{% endfor %}{{ last }}",
        "{% for i in (1..2) %}{% for j in (i..2) %}{{ i }}{{ j }}{{ forloop.length }}|{% endfor %}{% endfor %}",
        "{% if user.last_name %}a{% elsif '' %}b{% else %}c{% endif %}{% unless user.id == 'u1' %}d{% else %}e{% endunless %}",
        "{% if cart.items.size >= 2 and user.id != 'x' %}a{% endif %}{% if 1 > 2 or 2 <> 3 %}b{% endif %}{% if 'b' < 'c' %}c{% endif %}",
        "{% if user.first_name contains 'nn' %}a{% endif %}{% if user.first_name contains 'x' %}b{% endif %}",
        "{% if user.last_name == nil %}a{% endif %}{% if '' == empty %}b{% endif %}{% if user.id == blank %}c{% endif %}",
        "{% case cart.items.size %}{% when 1 %}one{% when 2, 3 %}few{% else %}many{% endcase %}",
        "{% case user.id %} \n {% when 'a' or 'u1' %}x{% endcase %}",
        "a  {{- 'b' -}}  c  {%- if true -%}  d  {%- endif -%}  e {% comment %} {{ x }} {% endcomment %}f",
        "{% raw %} {{ x }} {% y %} {% endraw %}",
        "{{ 'ann lee' | capitalize }} {{ 'aNN' | upcase | downcase }} {{ ' x ' | strip | append: '!' | prepend: '?' }}",
        "{{ 'abcdef' | truncate: 5 }} {{ 'abcdef' | truncate: 3, '' }} {{ 'abc' | truncate: 3 }} {{ 'abc' | size }}",
        "{{ 'a-b-c' | replace: '-', '+' | remove: 'a' }}",
        "{{ 3 | plus: 4 | times: 2 | minus: 1 }} {{ 1.5 | plus: 1 }} {{ 7 }} {{ 2.50 }} {{ true }} {{ nil }}",
        "{{ cart.items[0].name }} {{ cart.items[-1].id }} {{ cart.items.first.id }} {{ cart['items'][1]['id'] }} {{ cart.items.size }}",
        "{% assign x = user.first_name | upcase %}{% if true %}{% assign x = x | append: 2 %}{% endif %}{{ x }}",
    ] {
        // Ends are trimmed from a finished text; a mark keeps them comparable.
        let marked = format!("[{template}]");
        assert_eq!(text(&marked, &data).unwrap(), reference(&marked), "{template}");
    }
}
