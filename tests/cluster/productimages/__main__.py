"""`python -m productimages`: build what is missing and print the archives' paths."""

from productimages.images import IMAGES, archive

for image in IMAGES:
    print(archive(image))
