use std::collections::HashSet;
use std::time::Instant;

use time::macros::datetime;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;
use crate::{Delivery, EventName, Grant, Grants, Offered, Organisation, ResourceName, Scope, Subscriber};

struct Accepting;

impl Subscriber for Accepting {
    fn offer(&self, _: &Delivery) -> Offered {
        Offered::Accepted
    }
}

/// One thing that happens to an index; members are numbers of a small table.
#[derive(Debug, Clone)]
enum Step {
    Add(usize, Filter),
    Remove(usize, Filter),
    /// The member goes and a new one with another scope takes its number.
    Replace(usize, Scope),
    /// The member gets other grants.
    Grant(usize, Grants),
    Publish(Event),
}

const MEMBERS: usize = 5;

const NOW: OffsetDateTime = datetime!(2026-11-28 16:00:30 UTC);

fn actions() -> impl Strategy<Value = Option<Action>> {
    proptest::option::of(select(Action::ALL.to_vec()))
}

fn resources() -> impl Strategy<Value = Option<ResourceName>> {
    proptest::option::of(select(vec!["tickets", "ticks", "stocks"]).prop_map(ResourceName::from))
}

fn organisations() -> impl Strategy<Value = Option<Organisation>> {
    proptest::option::of(select(vec!["north", "south"]).prop_map(Organisation::from))
}

fn names() -> impl Strategy<Value = EventName> {
    // One of the names is also a resource: the index keeps both kinds of names in one table.
    select(vec!["changed", "changing", "tickets"]).prop_map(EventName::from)
}

pub(crate) fn filters() -> impl Strategy<Value = Filter> {
    (names(), resources(), actions()).prop_map(|(event, resource, action)| Filter { event, resource, action })
}

fn grants() -> impl Strategy<Value = Grant> {
    let event = select(vec!["*", "chang*", "changed", "tickets"]);
    let resource = proptest::option::of(select(vec!["*", "tick*", "tickets", "stocks"]));
    let actions = proptest::option::of(vec(select(Action::ALL.to_vec()), 0..3));
    (event, resource, actions).prop_map(|(event, resource, actions)| {
        let mut grant = Grant::new(event.parse().unwrap());
        if let Some(resource) = resource {
            grant = grant.with_resource(resource.parse().unwrap());
        }
        if let Some(actions) = actions {
            grant = grant.with_actions(actions);
        }
        grant
    })
}

pub(crate) fn all_grants() -> impl Strategy<Value = Grants> {
    prop_oneof![Just(Grants::All), vec(grants(), 0..3).prop_map(Grants::Only)]
}

pub(crate) fn scopes() -> impl Strategy<Value = Scope> {
    (organisations(), all_grants()).prop_map(|(organisation, grants)| Scope::new(organisation, grants))
}

pub(crate) fn events() -> impl Strategy<Value = Event> {
    (names(), resources(), actions(), organisations()).prop_map(|(name, resource, action, organisation)| {
        let mut event = Event::new(name, "{}");
        (event.resource, event.action, event.organisation) = (resource, action, organisation);
        event
    })
}

fn steps() -> impl Strategy<Value = Step> {
    let member = 0..MEMBERS;
    prop_oneof![
        6 => (member.clone(), filters()).prop_map(|(member, filter)| Step::Add(member, filter)),
        3 => (member.clone(), filters()).prop_map(|(member, filter)| Step::Remove(member, filter)),
        1 => (member.clone(), scopes()).prop_map(|(member, scope)| Step::Replace(member, scope)),
        1 => (member, all_grants()).prop_map(|(member, grants)| Step::Grant(member, grants)),
        5 => events().prop_map(Step::Publish),
    ]
}

/// The same as the index, without any cleverness.
struct Model {
    subscriber: SubscriberId,
    attached: Arc<AttachedSubscriber>,
    scope: Scope,
    filters: Vec<Filter>,
}

impl Model {
    fn new(index: &mut Index, scope: Scope) -> Self {
        let attached = Arc::new(AttachedSubscriber::new(Arc::new(Accepting), Some(Vec::new())));
        Self { subscriber: index.insert(attached.clone(), &scope), attached, scope, filters: Vec::new() }
    }

    fn wants(&self, event: &Event) -> bool {
        self.scope.allows(event) && self.filters.iter().any(|filter| filter.matches(event))
    }
}

fn run(index: &mut Index, models: &mut [Model], step: Step) {
    match step {
        Step::Add(member, filter) => {
            let Model { subscriber, filters, .. } = &mut models[member];
            let expected = if filters.contains(&filter) { Added::AlreadyThere } else { Added::New };
            assert_eq!(index.add(*subscriber, &filter), expected);
            if expected == Added::New {
                filters.push(filter);
            }
        }
        Step::Remove(member, filter) => {
            let Model { subscriber, filters, .. } = &mut models[member];
            let before = filters.len();
            filters.retain(|own| !filter.covers(own));
            assert_eq!(index.remove(*subscriber, &filter), before - filters.len());
        }
        Step::Replace(member, scope) => {
            index.evict(models[member].subscriber);
            models[member] = Model::new(index, scope);
        }
        Step::Grant(member, grants) => {
            let Model { subscriber, scope, filters, .. } = &mut models[member];
            let mut ended = Vec::new();
            index.set_grants(*subscriber, &grants, &mut ended);
            *scope = scope.clone().with_grants(grants);
            let lost = filters.iter().filter(|filter| !scope.overlaps(filter)).cloned();
            assert_eq!(ended.into_iter().collect::<HashSet<_>>(), lost.collect::<HashSet<_>>());
            filters.retain(|filter| scope.overlaps(filter));
        }
        Step::Publish(event) => {
            let mut found = Vec::new();
            index.matching(&event, NOW, &mut found);
            assert_eq!(index.count_matching(&event), found.len());
            let mut found: Vec<_> = found.iter().map(|found| Arc::as_ptr(&found.attached)).collect();
            let mut wanted: Vec<_> =
                models.iter().filter(|model| model.wants(&event)).map(|m| Arc::as_ptr(&m.attached)).collect();
            found.sort();
            wanted.sort();
            assert_eq!(found, wanted, "{event:?}");
        }
    }
}

fn is_empty(index: &Index) -> bool {
    (index.len(), index.symbols.len(), index.buckets.len(), index.subscribers.len(), index.numbers.len())
        == (0, 0, 0, 0, 0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn index_finds_what_a_naive_matcher_finds_and_forgets_everything(
        scopes in vec(scopes(), MEMBERS),
        steps in vec(steps(), 1..80),
    ) {
        let mut index = Index::default();
        let mut models: Vec<_> = scopes.into_iter().map(|scope| Model::new(&mut index, scope)).collect();
        for step in steps {
            run(&mut index, &mut models, step);
            for model in &models {
                let mut listed = Vec::new();
                index.filters_of(model.subscriber, &mut listed);
                prop_assert_eq!(listed.len(), model.filters.len());
                prop_assert!(model.filters.iter().all(|filter| listed.contains(filter)));
            }
            prop_assert_eq!(index.len(), models.iter().map(|model| model.filters.len()).sum::<usize>());
        }
        let mut counted = 0;
        index.each_bucket(0, usize::MAX, NOW, |_, _, subscriptions, _| counted += subscriptions);
        prop_assert_eq!(counted, index.len() as u64);
        for model in models {
            prop_assert_eq!(index.len_of(model.subscriber), model.filters.len());
            let bytes: usize = model.filters.iter().map(Filter::name_bytes).sum();
            prop_assert_eq!(index.name_bytes_of(model.subscriber), bytes);
            let (scope, filters) = index.describe(model.subscriber, &model.attached).unwrap();
            prop_assert_eq!(scope, model.scope);
            let [found, own] = [filters, model.filters].map(|filters| filters.into_iter().collect::<HashSet<_>>());
            prop_assert_eq!(found, own);
            index.evict(model.subscriber);
        }
        prop_assert!(is_empty(&index));
    }
}

fn tickets() -> Event {
    Event::new("changed".into(), "{}").with_resource("tickets".into()).with_action(Action::Created)
}

/// Ten subscribers of the tickets, and others of resources of their own.
fn crowd(others: usize, organisation: Option<&Organisation>) -> Index {
    let mut index = Index::default();
    for number in 0..others + 10 {
        let scope = Scope::new(organisation.cloned(), Grants::All);
        let subscriber = index.insert(Arc::new(AttachedSubscriber::new(Arc::new(Accepting), Some(Vec::new()))), &scope);
        let resource = if number < 10 { "tickets".to_owned() } else { format!("resource-{}", number % 1000) };
        index.add(subscriber, &Filter::new("changed".into()).with_resource(resource.into()));
    }
    index
}

#[test]
fn only_subscribers_of_the_event_are_looked_at() {
    for organisation in [None, Some(Organisation::from("north"))] {
        let mut index = crowd(10_000, organisation.as_ref());
        let mut found = Vec::new();
        index.matching(&tickets(), NOW, &mut found);
        assert_eq!(found.len(), 10);
        let seen =
            (0..10_010).filter(|subscriber| index.subscribers.get(*subscriber).unwrap().mark == index.serial).count();
        assert_eq!(seen, 10);
    }
}

/// Numbers for a person to read: `cargo test --release -p signalhub-events -- --ignored --nocapture`.
#[test]
#[ignore = "measures instead of testing"]
fn cost_of_matching_and_memory() {
    // The first index stays alive, so that the second does not grow into its memory.
    let mut alive = Vec::new();
    for (label, organisation) in [("no organisation", None), ("an organisation", Some(Organisation::from("north")))] {
        let mut index = crowd(10_000, organisation.as_ref());
        let before = resident();
        for subscriber in 0..10_000 {
            for resource in 0..50 {
                index.add(
                    SubscriberId(subscriber),
                    &Filter::new("changed".into()).with_resource(format!("r{resource}").into()),
                );
            }
        }
        println!("{label}: {} B per further subscription", (resident() - before) / 500_000);
        alive.push(index);
    }
    for others in [0, 1_000, 100_000] {
        let mut index = crowd(others, None);
        let (mut found, event) = (Vec::new(), tickets());
        let start = Instant::now();
        for _ in 0..100_000 {
            index.matching(&event, NOW, &mut found);
            found.clear();
        }
        println!("10 of {} match: {:?} per event", others + 10, start.elapsed() / 100_000);
    }
}

fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
