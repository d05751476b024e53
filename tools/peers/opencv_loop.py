"""The loop of most examples: read a picture of each camera in turn, work on it, go on."""

import cv2
from job import Log, arguments, job

args = arguments()
work, log = job(args.job), Log(args, cv2.__version__)
captures = [cv2.VideoCapture(url) for url in args.urls]
while not log.over:
    for camera, capture in enumerate(captures):
        whole, picture = capture.read()
        if whole:
            work(picture)
            log.add(camera, picture[:, :, 1])
log.finish()
