/* What every library carries for bcq_tf/native.py to read before it loads the file. CMake gives
 * BCQ_VERSION and, for what is linked with TensorFlow, BCQ_TENSORFLOW. */
#ifndef BCQ_TENSORFLOW
#define BCQ_TENSORFLOW "none"
#endif

__attribute__((used)) static const char bcq_build_mark[] =
    "bcq_tf build: version=" BCQ_VERSION " tensorflow=" BCQ_TENSORFLOW " end";
