//! What each case takes by the clock: `cargo bench -p ringgate-benches --bench time`.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};

fn all(criterion: &mut Criterion) {
    for case in ringgate_benches::cases() {
        let mut prepared = None; // not for cases that are filtered out
        criterion.bench_function(&case.name, |bencher| {
            let work = prepared.get_or_insert_with(|| case.prepare());
            bencher.iter(|| black_box(work()));
        });
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
