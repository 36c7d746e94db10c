"""Makes images/: what Pillow and transformers' image processors make of small pictures of noise.

    python Tests/Fixtures/make_image_fixtures.py        needs numpy, pillow, transformers, safetensors

resize.safetensors    uint8 [height, width, 3], by "FILTER WIDTHxHEIGHT WIDTHxHEIGHT": Image.resize from the first size
processors.json       settings and pictures, in a list
processors.safetensors  float32 [3, height, width], by the index in that list: the processor with the Pillow backend

and vit/image-classification/preprocessor_config.json, for the examples.
"""

import json
import pathlib

import numpy
import transformers
from noise import noise
from PIL import Image
from safetensors.numpy import save_file

HERE = pathlib.Path(__file__).parent / "images"


def resized():
    sizes = [
        ((1, 1), (1, 1)), ((1, 1), (5, 3)), ((1, 7), (4, 4)), ((7, 1), (3, 5)), ((2, 2), (9, 7)), ((13, 11), (13, 5)),
        ((13, 11), (6, 11)), ((31, 17), (5, 3)), ((17, 31), (40, 33)), ((97, 3), (2, 9)), ((200, 1), (1, 1)), ((3, 5), (3, 5)),
        ((150, 90), (10, 11)), ((5, 31), (11, 9)), ((12, 12), (11, 9)), ((12, 12), (10, 8)),
    ]  # fmt: skip
    for number in range(6):
        for before, after in sizes:
            image = Image.fromarray(noise(*before, 3)).resize(after, Image.Resampling(number))
            yield f"{number} {before[0]}x{before[1]} {after[0]}x{after[1]}", numpy.asarray(image)


# Classes with their own sizes made smaller, keys left out, and the forms of old files.
SETTINGS = [
    {"image_processor_type": "ViTImageProcessor", "size": {"height": 9, "width": 11}},
    {"feature_extractor_type": "ViTFeatureExtractor", "size": 8, "resample": 3, "image_mean": [0.485, 0.456, 0.406],
     "image_std": [0.229, 0.224, 0.225]},
    {"image_processor_type": "ViTImageProcessorFast", "size": [6, 10], "resample": 0, "do_normalize": False},
    {"image_processor_type": "ViTImageProcessor", "size": 7, "do_rescale": False, "image_mean": 127.5, "image_std": 30},
    {"image_processor_type": "DeiTImageProcessor", "size": 12, "crop_size": 9},
    {"image_processor_type": "DeiTImageProcessor", "size": {"height": 8, "width": 7}, "crop_size": {"height": 11, "width": 6}},
    {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 10}, "crop_size": {"height": 8, "width": 8},
     "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225], "resample": 3, "do_convert_rgb": True},
    {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 9, "longest_edge": 13}, "do_center_crop": False},
    {"image_processor_type": "CLIPImageProcessor", "size": 9, "crop_size": 9},
    {"feature_extractor_type": "CLIPFeatureExtractor", "size": 8, "crop_size": 11, "rescale_factor": 0.01},
    {"image_processor_type": "CLIPImageProcessor", "do_resize": False, "crop_size": [7, 10], "do_normalize": False,
     "do_rescale": False},
    {"image_processor_type": "CLIPImageProcessor", "size": {"max_height": 9, "max_width": 12}, "do_center_crop": False,
     "resample": 5, "do_pad": True, "pad_size": {"height": 10, "width": 14}},
    {"image_processor_type": "SiglipImageProcessor", "size": {"height": 8, "width": 8}, "resample": 1},
    {"image_processor_type": "SiglipImageProcessor", "size": 6},
    {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 7}, "do_center_crop": False, "do_pad": True},
]  # fmt: skip
PICTURES = [(23, 17, 3), (5, 31, 3), (12, 12, 3), (3, 2, 3), (19, 14, 1), (14, 19, 4)]


def processor(settings):
    settings = dict(settings)
    name = settings.pop("image_processor_type", None) or settings.pop("feature_extractor_type")
    name = name.removesuffix("Fast").replace("FeatureExtractor", "ImageProcessor")
    return getattr(transformers, name + "Pil")(**settings)


def prepared():
    cases, tensors = [], {}
    for settings in SETTINGS:
        for width, height, channels in PICTURES:
            # Without do_convert_rgb, transformers has no colours for gray, and alpha is one too many; here they are always
            # converted.
            image = processor({**settings, "do_convert_rgb": True})
            pixels = image(noise(width, height, channels), input_data_format="channels_last")["pixel_values"][0]
            tensors[str(len(cases))] = numpy.ascontiguousarray(pixels, numpy.float32)
            cases.append({"settings": settings, "width": width, "height": height, "channels": channels})
    return cases, tensors


if __name__ == "__main__":
    HERE.mkdir(exist_ok=True)
    save_file(dict(resized()), HERE / "resize.safetensors")
    cases, tensors = prepared()
    # The model of the examples. Its folder is made by make_vision_fixtures.py.
    example = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}}
    (HERE.parent / "vit/image-classification/preprocessor_config.json").write_text(json.dumps(example, indent=2) + "\n")
    lines = ",\n".join(json.dumps(case) for case in cases)
    (HERE / "processors.json").write_text(f"[\n{lines}\n]\n")
    save_file(tensors, HERE / "processors.safetensors")
