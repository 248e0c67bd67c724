use super::*;

fn entry(id: i64, second: i64) -> Entry {
    let time = Timestamp::from_second(1_700_000_000 + second).ok();
    Entry { id: Id::Number(id), print: fingerprint(time, "x"), time }
}

fn named(id: &str, second: i64) -> Entry {
    Entry { id: Id::from_json(&format!("{id:?}")), ..entry(0, second) }
}

fn at(second: i64) -> Option<Timestamp> {
    Timestamp::from_second(1_700_000_000 + second).ok()
}

/// Looks and gives out everything that is new.
fn take(mark: &mut Watermark, list: &[Entry]) -> Vec<Id> {
    let fresh = mark.look(list).fresh;
    for &place in &fresh {
        mark.give(&list[place]);
    }
    fresh.into_iter().map(|place| list[place].id.clone()).collect()
}

fn numbers(ids: &[Id]) -> Vec<i64> {
    ids.iter().map(|id| if let Id::Number(id) = id { *id } else { panic!("{id:?}") }).collect()
}

#[test]
fn entries_of_one_second_come_once_each() {
    let mut mark = Watermark::default();
    assert_eq!(numbers(&take(&mut mark, &[entry(1, 0), entry(2, 0)])), [1, 2]);
    assert_eq!(numbers(&take(&mut mark, &[entry(1, 0), entry(2, 0), entry(3, 0)])), [3]);
    assert_eq!(numbers(&take(&mut mark, &[entry(1, 0), entry(2, 0), entry(3, 0)])), [0; 0]);
}

#[test]
fn an_entry_that_becomes_visible_after_later_ones_is_not_missed() {
    let mut mark = Watermark::default();
    assert_eq!(numbers(&take(&mut mark, &[entry(1, 0), entry(4, 1)])), [1, 4]);
    assert_eq!(numbers(&take(&mut mark, &[entry(1, 0), entry(2, 0), entry(3, 1), entry(4, 1)])), [2, 3]);
}

#[test]
fn a_start_leaves_out_what_is_older_also_later_on() {
    let list = [entry(1, 0), entry(2, 5), entry(3, 6)];
    let mut mark = Watermark::starting(at(5));
    assert_eq!(numbers(&take(&mut mark, &list)), [2, 3]);
    mark.move_start(at(6));
    assert_eq!(numbers(&take(&mut mark, &list)), [0; 0]);
    mark.move_start(None);
    assert_eq!(numbers(&take(&mut mark, &list)), [1]);
}

#[test]
fn the_guides_since_does_not_hide_a_late_entry_but_a_later_one_skips() {
    let mut mark = Watermark::default();
    take(&mut mark, &[entry(1, 0), entry(3, 1)]);
    mark.move_start(at(1));
    assert_eq!(numbers(&take(&mut mark, &[entry(1, 0), entry(2, 0), entry(3, 1)])), [2]);
    mark.move_start(at(9));
    assert_eq!(numbers(&take(&mut mark, &[entry(3, 1), entry(4, 8), entry(5, 9)])), [5]);
}

#[test]
fn a_list_that_begins_anew_is_given_out_anew() {
    let mut mark = Watermark::default();
    take(&mut mark, &[entry(8, 0), entry(9, 0)]);
    assert_eq!(numbers(&take(&mut mark, &[entry(1, 60)])), [1], "its numbers are lower");
    assert_eq!(
        numbers(&take(&mut mark, &[entry(1, 90), entry(2, 90)])),
        [1, 2],
        "the same number, another time"
    );
}

#[test]
fn a_restored_backup_gives_its_numbers_to_others_and_nothing_is_repeated() {
    let mut mark = Watermark::default();
    let all: Vec<Entry> = (1..=10).map(|id| entry(id, id)).collect();
    take(&mut mark, &all);
    let mut restored = all[..6].to_vec();
    restored.push(entry(7, 70));
    let found = mark.look(&restored[..6]);
    assert!(found.restarted && found.fresh.is_empty());
    assert_eq!(numbers(&take(&mut mark, &restored)), [7]);
}

#[test]
fn a_restored_backup_repeats_nothing_also_where_the_first_entry_was_of_an_earlier_list() {
    let mut mark = Watermark::default();
    take(&mut mark, &[entry(1, 0)]);
    // Nothing tells that the server lost its data meanwhile: its numbers go on.
    let all: Vec<Entry> = (2..=70).map(|id| entry(id, 10)).collect();
    assert_eq!(take(&mut mark, &all).len(), 69);
    let mut restored = all[..66].to_vec();
    restored.push(entry(68, 70));
    let mut resumed = mark.abridged();
    assert_eq!(numbers(&take(&mut resumed, &restored)), [68]);
    assert_eq!(numbers(&take(&mut mark, &restored)), [68]);
}

#[test]
fn a_list_that_lost_its_beginning_is_the_same_list() {
    let mut mark = Watermark::default();
    take(&mut mark, &(1..=5).map(|id| entry(id, id)).collect::<Vec<_>>());
    assert_eq!(numbers(&take(&mut mark, &[entry(5, 5), entry(6, 6)])), [6]);
    let found = mark.look(&[entry(8, 8), entry(9, 9)]);
    assert_eq!((found.fresh.len(), found.restarted), (2, false), "all of what was read is gone");
    assert_eq!(numbers(&take(&mut mark, &[])), [0; 0]);
}

#[test]
fn ids_that_are_no_numbers_work_too() {
    let mut mark = Watermark::default();
    let (a, b, c, d) = (named("a", 0), named("b", 0), named("c", 0), named("d", 1));
    assert_eq!(take(&mut mark, &[a.clone(), b.clone()]).len(), 2);
    assert_eq!(take(&mut mark, &[b.clone(), c.clone()]), [named("c", 0).id]);
    assert_eq!(take(&mut mark, &[d.clone(), c.clone(), b.clone()]), [named("d", 1).id], "in another order");
    assert_eq!(take(&mut mark, &[a, b, c, d]), [] as [Id; 0]);
}

#[test]
fn memory_is_bounded_and_what_was_forgotten_is_not_repeated() {
    for list in [
        (0..5000).map(|id| entry(id, id / 100)).collect::<Vec<_>>(),
        (0..5000).map(|id| named(&format!("e{id}"), id / 100)).collect(),
    ] {
        let mut mark = Watermark::default();
        assert_eq!(take(&mut mark, &list[..4999]).len(), 4999);
        assert!(mark.recent.len() <= REMEMBERED + 100, "one second more at the most");
        let mut restored = mark.abridged();
        assert_eq!(take(&mut restored, &list), [list[4999].id.clone()]);
        assert_eq!(take(&mut mark, &list), [list[4999].id.clone()]);
        let kept = serde_json::to_string(&restored.abridged()).unwrap();
        assert!(kept.len() < 5000, "{} bytes", kept.len());
        let mut back = serde_json::from_str::<Watermark>(&kept).unwrap();
        assert_eq!(take(&mut back, &list), [] as [Id; 0]);
    }
}
