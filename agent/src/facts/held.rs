//! How much of the images that containers run is their own: what was installed or built for them, above an image that can
//! be had anywhere. Pure.

use std::collections::BTreeMap;

use crate::engine::ImageLayers;

/// All images there are, by id.
pub type Images = BTreeMap<String, ImageLayers>;

/// Bytes of an image that are of no use to anybody else.
pub fn own_bytes(image: &ImageLayers, all: &Images) -> u64 {
    if !image.is_made {
        // A runtime image is everybody's; one of somebody else was fetched for whoever asked for it.
        return if image.is_runtime { 0 } else { image.bytes };
    }
    let is_below = |other: &&ImageLayers| {
        !other.is_made && other.layers.len() < image.layers.len() && image.layers.starts_with(&other.layers)
    };
    // One without layers is below everything, and is nothing.
    let base = all.values().filter(is_below).max_by_key(|other| other.layers.len());
    image.bytes.saturating_sub(base.map_or(0, |base| base.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: &str, bytes: u64, layers: &[&str], is_made: bool, is_runtime: bool) -> ImageLayers {
        let layers = layers.iter().map(|layer| (*layer).to_owned()).collect();
        ImageLayers { id: id.to_owned(), bytes, layers, is_made, is_runtime }
    }

    #[test]
    fn what_lies_above_the_runtime_image_or_the_base_of_a_build_is_ones_own() {
        let all: Images = [
            image("base", 100, &["a"], false, false),
            image("node", 300, &["a", "b"], false, true),
            image("static", 150, &["a", "c"], false, true),
            image("postgres", 400, &["p", "q"], false, false),
            image("dependencies", 350, &["a", "b", "d"], true, true),
            image("of a build", 360, &["a", "b", "e", "f"], true, true),
            image("more of it", 380, &["a", "b", "e", "f", "g"], true, true),
            image("on the base", 120, &["a", "z"], true, false),
            image("on nothing", 90, &["x", "y"], true, false),
            image("empty", 0, &[], false, false),
        ]
        .into_iter()
        .map(|image| (image.id.clone(), image))
        .collect();
        let check = |id: &str, expected: u64| assert_eq!(own_bytes(&all[id], &all), expected, "{id}");
        check("node", 0);
        check("static", 0);
        check("postgres", 400);
        check("dependencies", 50);
        check("of a build", 60);
        check("more of it", 80);
        check("on the base", 20);
        check("on nothing", 90);
    }
}
