//! The items: each belongs to one interest, and its title is made of that interest's words.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{FixedSizeListBuilder, Float32Builder, StringBuilder};
use arrow_array::{ArrayRef, RecordBatch};
use parquet::arrow::ArrowWriter;
use rand::RngExt as _;

use super::options::{SynthError, SynthOptions};
use super::random::{Purpose, generator, normal};

/// Interests by name, each with words of its own. Further interests are called `garden 2`, `tea 2`, …
const INTERESTS: [(&str, [&str; 6]); 24] = [
    ("garden", ["spade", "trowel", "seedling", "hose", "planter", "rake"]),
    ("tea", ["teapot", "infuser", "cup", "saucer", "oolong", "strainer"]),
    ("baking", ["whisk", "cake tin", "rolling pin", "icing", "muffin tray", "dough"]),
    ("cycling", ["saddle", "pedal", "helmet", "inner tube", "bell", "chain"]),
    ("camping", ["tent", "lantern", "stove", "sleeping bag", "compass", "hammock"]),
    ("knitting", ["wool", "needles", "yarn", "pattern", "stitch marker", "bobbin"]),
    ("painting", ["brush", "easel", "canvas", "palette", "watercolour", "varnish"]),
    ("music", ["guitar", "strings", "metronome", "songbook", "drum", "capo"]),
    ("chess", ["board", "clock", "queen", "opening book", "pawns", "score pad"]),
    ("photography", ["lens", "tripod", "filter", "flash", "film", "camera strap"]),
    ("running", ["shoes", "laces", "water belt", "headband", "stopwatch", "shorts"]),
    ("fishing", ["rod", "reel", "lure", "float", "net", "waders"]),
    ("cats", ["scratching post", "catnip", "litter", "feather toy", "bowl", "basket"]),
    ("dogs", ["lead", "collar", "chew", "kennel", "ball", "whistle"]),
    ("astronomy", ["telescope", "star chart", "eyepiece", "mount", "red torch", "meteorite"]),
    ("woodwork", ["chisel", "plane", "clamp", "dowel", "mitre saw", "sandpaper"]),
    ("sewing", ["thread", "thimble", "zip", "button", "bobbin case", "lace"]),
    ("coffee", ["grinder", "espresso", "beans", "milk jug", "tamper", "mug"]),
    ("travel", ["suitcase", "adapter", "guidebook", "neck pillow", "luggage tag", "map"]),
    ("football", ["goal net", "shin pads", "boots", "scarf", "captain's band", "pump"]),
    ("yoga", ["mat", "block", "bolster", "incense", "towel", "leggings"]),
    ("swimming", ["goggles", "cap", "kickboard", "fins", "nose clip", "robe"]),
    ("party", ["balloon", "bunting", "candles", "paper plates", "streamer", "invitations"]),
    ("christmas", ["wreath", "bauble", "tinsel", "fairy lights", "stocking", "advent calendar"]),
];
const QUALITIES: [&str; 12] = [
    "red", "blue", "small", "large", "vintage", "folding", "light", "classic", "soft", "striped", "wooden",
    "spare",
];

/// Rows of one Arrow batch of items.
const BATCH_ROWS: u32 = 65_536;
/// Distance of an item from the centre of its interest; centres have length 1.
const ITEM_SPREAD: f64 = 0.5;

/// Name of an interest, its ground-truth label.
pub(crate) fn interest_name(interest: u32) -> String {
    let n_words = INTERESTS.len() as u32;
    let (name, _) = INTERESTS[(interest % n_words) as usize];
    match interest / n_words {
        0 => name.to_owned(),
        round => format!("{name} {}", round + 1),
    }
}

/// Id of an item.
pub(crate) fn item_id(item: u32) -> String {
    format!("item-{item}")
}

fn title(options: &SynthOptions, item: u32) -> String {
    let mut rng = generator(options.seed, Purpose::Title, u64::from(item), 0);
    let interest = options.interest_of(item);
    let words = INTERESTS[interest as usize % INTERESTS.len()].1;
    let quality = QUALITIES[rng.random_range(0..QUALITIES.len())];
    let first = rng.random_range(0..words.len());
    let second = (first + rng.random_range(1..words.len())) % words.len();
    format!("{quality} {} and {}, {}", words[first], words[second], interest_name(interest))
}

/// Write `items.csv`: item_id, interest, title.
pub(crate) fn write_csv(options: &SynthOptions, path: &Path) -> Result<(), SynthError> {
    let write = || -> std::io::Result<()> {
        let mut file = BufWriter::new(File::create_new(path)?);
        writeln!(file, "item_id,interest,title")?;
        for item in 0..options.n_items {
            let interest = interest_name(options.interest_of(item));
            writeln!(file, "{},{interest},\"{}\"", item_id(item), title(options, item))?;
        }
        file.flush()
    };
    write().map_err(|source| SynthError::Write { path: path.to_owned(), source })
}

/// Write `items.parquet`: item_id, embedding (a point near the centre of the interest), interest, title.
pub(crate) fn write_features(options: &SynthOptions, path: &Path) -> Result<(), SynthError> {
    let parquet_error = |source| SynthError::Parquet { path: path.to_owned(), source };
    let file =
        File::create_new(path).map_err(|source| SynthError::Write { path: path.to_owned(), source })?;
    let centres: Vec<Vec<f64>> = (0..options.n_interests).map(|interest| centre(options, interest)).collect();
    let first = feature_batch(options, &centres, 0).map_err(|error| parquet_error(error.into()))?;
    let mut writer = ArrowWriter::try_new(file, first.schema(), None).map_err(parquet_error)?;
    writer.write(&first).map_err(parquet_error)?;
    for start in (BATCH_ROWS..options.n_items).step_by(BATCH_ROWS as usize) {
        let batch = feature_batch(options, &centres, start).map_err(|error| parquet_error(error.into()))?;
        writer.write(&batch).map_err(parquet_error)?;
    }
    writer.close().map_err(parquet_error)?;
    Ok(())
}

fn feature_batch(
    options: &SynthOptions,
    centres: &[Vec<f64>],
    start: u32,
) -> Result<RecordBatch, arrow_schema::ArrowError> {
    let dim = options.embedding_dim;
    let (mut ids, mut interests, mut titles) =
        (StringBuilder::new(), StringBuilder::new(), StringBuilder::new());
    let mut embeddings = FixedSizeListBuilder::new(Float32Builder::new(), dim as i32);
    for item in start..options.n_items.min(start.saturating_add(BATCH_ROWS)) {
        let interest = options.interest_of(item);
        let mut rng = generator(options.seed, Purpose::Embedding, u64::from(item), 0);
        for &coordinate in &centres[interest as usize] {
            let noise = ITEM_SPREAD * normal(&mut rng) / (dim as f64).sqrt();
            embeddings.values().append_value((coordinate + noise) as f32);
        }
        embeddings.append(true);
        ids.append_value(item_id(item));
        interests.append_value(interest_name(interest));
        titles.append_value(title(options, item));
    }
    let columns: [(&str, ArrayRef); 4] = [
        ("item_id", Arc::new(ids.finish())),
        ("embedding", Arc::new(embeddings.finish())),
        ("interest", Arc::new(interests.finish())),
        ("title", Arc::new(titles.finish())),
    ];
    RecordBatch::try_from_iter(columns)
}

/// Centre of an interest, of length 1. Neighbours on the ring are close to each other, so a drifting user moves smoothly.
fn centre(options: &SynthOptions, interest: u32) -> Vec<f64> {
    let n = options.n_interests;
    let mut sum = vec![0.0; options.embedding_dim];
    for (offset, share) in [(n - 1, 0.5), (0, 1.0), (1, 0.5)] {
        let mut rng = generator(options.seed, Purpose::Centre, u64::from((interest + offset) % n), 0);
        for coordinate in &mut sum {
            *coordinate += share * normal(&mut rng);
        }
    }
    let norm = sum.iter().map(|x| x * x).sum::<f64>().sqrt();
    sum.iter().map(|x| x / norm).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_tells_its_interest() {
        let options = SynthOptions { n_interests: 30, ..SynthOptions::default() };
        for item in 0..90 {
            let interest = interest_name(options.interest_of(item));
            assert!(title(&options, item).ends_with(&interest), "{}", title(&options, item));
        }
        assert_eq!(interest_name(25), "tea 2");
    }

    #[test]
    fn neighbouring_interests_are_near() {
        let options = SynthOptions { embedding_dim: 64, ..SynthOptions::default() };
        let dot = |a: u32, b: u32| -> f64 {
            centre(&options, a).iter().zip(centre(&options, b)).map(|(x, y)| x * y).sum()
        };
        assert!((dot(3, 3) - 1.0).abs() < 1e-9);
        assert!(dot(3, 4) > 0.4 && dot(3, 12).abs() < 0.4, "{} {}", dot(3, 4), dot(3, 12));
    }
}
