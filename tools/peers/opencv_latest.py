"""A thread for each camera that keeps the newest picture; one loop works on them in turn."""

import threading
import time

import cv2
from job import Log, arguments, job

args = arguments()
work, log = job(args.job), Log(args, cv2.__version__)
newest = [None] * len(args.urls)


def read(camera, url):
    capture = cv2.VideoCapture(url)
    while True:
        whole, picture = capture.read()
        if whole:
            newest[camera] = picture


for camera, url in enumerate(args.urls):
    threading.Thread(target=read, args=(camera, url), daemon=True).start()
while not log.over:
    idle = True
    for camera in range(len(newest)):
        picture, newest[camera] = newest[camera], None
        if picture is not None:
            idle = False
            work(picture)
            log.add(camera, picture[:, :, 1])
    if idle:
        time.sleep(0.002)
log.finish()
